// A router that opens ports: SSDP and SOAP as of UPnP IGD 1, and nftables behind it. Runs inside a router's
// namespace: `node igd.ts GATEWAY-ADDRESS EXTERNAL-ADDRESS [taken port]`. Prints one line per action.

import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { createServer } from 'node:http'
import process from 'node:process'

const [gateway = '', external = '', taken = ''] = process.argv.slice(2)
const DEVICE = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1'
const SERVICE = 'urn:schemas-upnp-org:service:WANIPConnection:1'
const mappings = new Map<string, string>()

function nft(rules: string): boolean {
  return spawnSync('nft', ['-f', '-'], { input: `${rules}\n` }).status === 0
}

function applied(): boolean {
  const rules = [...mappings].map(
    ([port, target]) => `iifname "eth0" tcp dport ${port} dnat to ${target}`
  )
  const chain = `type nat hook prerouting priority -100; policy accept;\n${rules.join('\n')}\n`
  return nft(
    `add table ip opened\ndelete table ip opened\ntable ip opened {\nchain pre {\n${chain}}\n}\n`
  )
}

const server = createServer((request, response) => {
  let body = ''
  request.setEncoding('utf8').on('data', (part: string) => (body += part))
  request.on('end', () => {
    if (request.method === 'GET') {
      response.end(
        `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device>
         <deviceType>${DEVICE}</deviceType><serviceList><service>
         <serviceType>${SERVICE}</serviceType><controlURL>/control</controlURL>
         </service></serviceList></device></root>`
      )
      return
    }
    const action = /#(\w+)"/.exec(String(request.headers['soapaction']))?.[1] ?? ''
    const value = (name: string): string => new RegExp(`<${name}>([^<]*)<`).exec(body)?.[1] ?? ''
    const port = value('NewExternalPort')
    let error = action === 'AddPortMapping' && (port === taken || taken === 'all') ? 718 : 0
    if (error === 0 && action === 'AddPortMapping') {
      mappings.set(port, `${value('NewInternalClient')}:${value('NewInternalPort')}`)
      if (!applied()) error = 501
    }
    if (action === 'DeletePortMapping') {
      mappings.delete(port)
      applied()
    }
    process.stdout.write(`${action} ${port} ${error}\n`)
    response.statusCode = error === 0 ? 200 : 500
    const inner =
      error === 0
        ? `<u:${action}Response xmlns:u="${SERVICE}"><NewExternalIPAddress>${external}</NewExternalIPAddress></u:${action}Response>`
        : `<s:Fault><detail><UPnPError><errorCode>${error}</errorCode></UPnPError></detail></s:Fault>`
    response.end(
      `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>${inner}</s:Body></s:Envelope>`
    )
  })
})

server.listen(0, gateway, () => {
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const ssdp = createSocket({ type: 'udp4', reuseAddr: true })
  ssdp.on('message', (bytes, from) => {
    if (!/M-SEARCH[\s\S]*InternetGatewayDevice:1/.test(bytes.toString('latin1'))) return
    const answer = [
      'HTTP/1.1 200 OK',
      'CACHE-CONTROL: max-age=120',
      `ST: ${DEVICE}`,
      `LOCATION: http://${gateway}:${port}/root.xml`,
      '\r\n'
    ].join('\r\n')
    ssdp.send(answer, from.port, from.address)
  })
  ssdp.bind(1900, () => {
    ssdp.addMembership('239.255.255.250', gateway)
    nft('insert rule ip guard forward iifname "eth0" ct status dnat accept')
    process.stdout.write('ready\n')
  })
})
