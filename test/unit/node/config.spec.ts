import assert from 'node:assert/strict'
import { formatConfig, mergeConfig, parseConfig, parseHostAndPort } from '../../../node/config.ts'
import type { StartFlags } from '../../../node/config.ts'

const silent: StartFlags = { name: null, labels: null, gpu: null, listen: null, http: null }

describe('node/config', () => {
  it('a first start without flags names the node after the machine and listens for members', () => {
    const config = mergeConfig(null, silent)
    assert.match(config.name, /^[a-z0-9][a-z0-9-]*$/)
    assert.equal(config.gpu, 'auto')
    assert.equal(config.http, null)
  })

  it('a later start keeps what the flags do not change, and what was written reads back equal', () => {
    const first = mergeConfig(null, {
      ...silent,
      name: 'server',
      labels: ['zone=attic'],
      gpu: '1:24GB',
      http: '127.0.0.1:0'
    })
    const kept = parseConfig(formatConfig(first), 'config.json')
    assert.deepEqual(kept, first)
    assert.deepEqual(mergeConfig(kept, silent), first)
    assert.equal(mergeConfig(kept, { ...silent, http: 'off' }).http, null)
    assert.deepEqual(mergeConfig(kept, { ...silent, labels: ['a=b'] }).labels, { a: 'b' })
  })

  it('reads where the control API is to listen, and says what is wrong with it', () => {
    assert.deepEqual(parseHostAndPort('127.0.0.1:7070'), { host: '127.0.0.1', port: 7070 })
    assert.deepEqual(parseHostAndPort('[::1]:0'), { host: '::1', port: 0 })
    for (const text of ['7070', ':7070', '127.0.0.1', '127.0.0.1:65536', '::1:7070', 'a b:1']) {
      const error = { code: 'NODE_HTTP_INVALID', message: /HOST:PORT with a port from 0 to 65535/ }
      assert.throws(() => parseHostAndPort(text), error, text)
    }
  })

  for (const [text, problem] of [
    ['{', 'it is not JSON'],
    ['{"version":2}', 'version'],
    ['{"version":1,"name":"a","labels":{},"gpu":"auto","listen":[],"http":null}', 'listen'],
    ['{"version":1,"name":"a","labels":{},"gpu":"auto","listen":["x"],"http":null,"y":1}', 'y']
  ] as const) {
    it(`refuses the file ${text}`, () => {
      assert.throws(() => parseConfig(text, 'config.json'), {
        code: 'NODE_CONFIG_INVALID',
        message: new RegExp(problem)
      })
    })
  }
})
