import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  gatewayIn,
  locationIn,
  refusalIn,
  soapRequest,
  valueIn
} from '../../../../mesh/discovery/igd.ts'

const answer = (location: string): string =>
  `HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nLOCATION: ${location}\r\n\r\n`

const description = (control: string, name = 'WANIPConnection:1'): string =>
  `<root><service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType>
   <controlURL>/no</controlURL></service><service>
   <serviceType>urn:schemas-upnp-org:service:${name}</serviceType>
   <controlURL>${control}</controlURL></service></root>`

describe('mesh/discovery: what is said with a router', () => {
  it('is led to the router that answered, and to no other machine', () => {
    const here = 'http://192.168.1.1:5000/root.xml'
    assert.equal(locationIn(answer(here), '192.168.1.1'), here)
    for (const elsewhere of [
      'http://192.168.1.2:5000/root.xml',
      'http://127.0.0.1:8080/',
      'https://192.168.1.1/',
      'file:///etc/passwd',
      'http://192.168.1.1@10.0.0.1/',
      'nonsense'
    ]) {
      assert.equal(locationIn(answer(elsewhere), '192.168.1.1'), null, elsewhere)
    }
    assert.equal(locationIn('HTTP/1.1 200 OK\r\nST: printer\r\n\r\n', '192.168.1.1'), null)
  })

  it('finds the service that opens ports, and keeps to the router with it', () => {
    const location = 'http://192.168.1.1:5000/root.xml'
    assert.deepEqual(gatewayIn(description('/ctl'), location), {
      serviceType: 'urn:schemas-upnp-org:service:WANIPConnection:1',
      controlUrl: 'http://192.168.1.1:5000/ctl'
    })
    assert.equal(gatewayIn(description('http://10.0.0.9/ctl'), location), null)
    assert.equal(gatewayIn(description('/ctl', 'Printing:1'), location), null)
  })

  it('asks in SOAP, with every value escaped', () => {
    const gateway = { serviceType: 'urn:x:1', controlUrl: 'http://192.168.1.1/' }
    const { headers, body } = soapRequest(gateway, 'Add', { Name: 'a<b&c>', Port: 80 })
    assert.equal(headers['SOAPAction'], '"urn:x:1#Add"')
    assert.match(body, /<Name>a&lt;b&amp;c&gt;<\/Name><Port>80<\/Port><\/u:Add>/)
  })

  it('reads values by name and refusals in words, and never throws', () => {
    assert.equal(valueIn('<a:IP xmlns="x"> 1.2.3.4 </a:IP>', 'IP'), '1.2.3.4')
    assert.match(refusalIn('<errorCode>718</errorCode>'), /taken/)
    assert.match(refusalIn('<errorCode>501</errorCode>'), /error 501/)
    const anything = fc.string({ maxLength: 300 })
    fc.assert(
      fc.property(anything, anything, (text, other) => {
        locationIn(`InternetGatewayDevice\r\nLOCATION: ${text}`, other)
        gatewayIn(`<service>${text}</service>${other}`, 'http://192.168.1.1/')
        refusalIn(text)
      })
    )
  })
})
