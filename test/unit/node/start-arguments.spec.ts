import assert from 'node:assert/strict'
import { parseStartArguments } from '../../../node/start-arguments.ts'

describe('node/start-arguments', () => {
  it('reads what the command passes on; what is not said is null', () => {
    const { home, flags, readsInvite } = parseStartArguments(
      ['--home', '/h', '--name=laptop', '--label=a=b', '--label=c=d', '--join', '-'],
      {}
    )
    assert.equal(home, '/h')
    assert.equal(readsInvite, true)
    assert.deepEqual(flags, {
      name: 'laptop',
      labels: ['a=b', 'c=d'],
      gpu: null,
      listen: null,
      http: null,
      blobBudget: null,
      mdns: null,
      upnp: null
    })
  })

  it('WEAVER_LISTEN stands in for --listen, and gives way to it', () => {
    const environment = { WEAVER_LISTEN: '/ip4/127.0.0.1/tcp/0,/ip6/::1/tcp/0' }
    const listen = (...args: string[]): readonly string[] | null =>
      parseStartArguments(['--home', '/h', ...args], environment).flags.listen
    assert.deepEqual(listen(), ['/ip4/127.0.0.1/tcp/0', '/ip6/::1/tcp/0'])
    assert.deepEqual(listen('--listen', '/ip4/10.0.0.1/tcp/1'), ['/ip4/10.0.0.1/tcp/1'])
  })

  for (const args of [[], ['--home', '/h', '--bogus'], ['--home', '/h', 'stray']]) {
    it(`refuses ${JSON.stringify(args)}`, () => {
      assert.throws(() => parseStartArguments(args, {}), { code: 'NODE_ARGUMENTS_INVALID' })
    })
  }
})
