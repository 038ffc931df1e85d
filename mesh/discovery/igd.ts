// What is said with a router that opens ports (UPnP, Internet Gateway Device 1 and 2): search, description
// and the three actions that are used. Pure; what a router sends is read as anybody's bytes.

/** The services that open ports, the usual one first. */
const SERVICES = ['WANIPConnection:2', 'WANIPConnection:1', 'WANPPPConnection:1'] as const

export const SEARCH_TARGETS: readonly string[] = [
  'urn:schemas-upnp-org:device:InternetGatewayDevice:1',
  'urn:schemas-upnp-org:device:InternetGatewayDevice:2'
]

/** A router that says it opens ports. */
export interface Gateway {
  readonly serviceType: string
  readonly controlUrl: string
}

export function searchRequest(target: string): string {
  return [
    'M-SEARCH * HTTP/1.1',
    'HOST: 239.255.255.250:1900',
    'MAN: "ssdp:discover"',
    'MX: 1',
    `ST: ${target}`,
    '\r\n'
  ].join('\r\n')
}

/**
 * Where a gateway that answered from `host` describes itself. Null if it is none, or if it points
 * elsewhere: anybody on the LAN can answer, and must not send our requests to a third machine.
 */
export function locationIn(answer: string, host: string): string | null {
  if (!/InternetGatewayDevice/i.test(answer)) return null
  const location = /^location:\s*(\S+)\s*$/im.exec(answer)?.[1]
  return location === undefined ? null : urlOn(host, location, location)
}

/** The port-opening service in a description that came from `location`; null if there is none. */
export function gatewayIn(description: string, location: string): Gateway | null {
  for (const name of SERVICES) {
    const serviceType = `urn:schemas-upnp-org:service:${name}`
    for (const [, service = ''] of description.matchAll(/<service>([\s\S]*?)<\/service>/g)) {
      if (valueIn(service, 'serviceType') !== serviceType) continue
      const control = valueIn(service, 'controlURL')
      const controlUrl =
        control === null ? null : urlOn(new URL(location).hostname, control, location)
      if (controlUrl !== null) return { serviceType, controlUrl }
    }
  }
  return null
}

export interface SoapRequest {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export function soapRequest(
  { serviceType }: Gateway,
  action: string,
  values: Readonly<Record<string, string | number>>
): SoapRequest {
  const inner = Object.entries(values).map(
    ([name, value]) => `<${name}>${escaped(value)}</${name}>`
  )
  const body =
    '<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
    's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
    `<u:${action} xmlns:u="${serviceType}">${inner.join('')}</u:${action}></s:Body></s:Envelope>`
  return {
    headers: {
      'Content-Type': 'text/xml; charset="utf-8"',
      SOAPAction: `"${serviceType}#${action}"`
    },
    body
  }
}

/** The text of the first element of this name, with any prefix. */
export function valueIn(xml: string, name: string): string | null {
  const match = new RegExp(`<(?:\\w+:)?${name}(?:\\s[^>]*)?>([^<]*)<`).exec(xml)
  return match?.[1] === undefined ? null : match[1].trim()
}

/** Why a router refused, in words for a person. */
export function refusalIn(answer: string): string {
  const code = valueIn(answer, 'errorCode')
  const known = code === null ? undefined : REFUSALS[code]
  return known ?? `the router refuses${code === null ? '' : ` (error ${code.slice(0, 8)})`}`
}

const REFUSALS: Readonly<Record<string, string>> = {
  '606': 'the router does not allow it to this machine',
  '718': 'the port is taken on the router',
  '725': 'the router opens ports for ever only',
  '728': 'the router has no room for another port'
}

function urlOn(host: string, text: string, base: string): string | null {
  try {
    const url = new URL(text, base)
    return url.protocol === 'http:' && url.hostname === host ? url.href : null
  } catch {
    return null
  }
}

function escaped(value: string | number): string {
  return String(value).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
