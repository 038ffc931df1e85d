import assert from 'node:assert/strict'
import { encodeCbor, FrameQueue, meshId } from '../../../../core/index.ts'
import type { Cbor } from '../../../../core/index.ts'
import { Exchange } from '../../../../mesh/exchange.ts'
import type { ByteStream } from '../../../../mesh/index.ts'
import { answerGreeting, greet } from '../../../../mesh/membership/hello.ts'
import type { Hello, HelloRefusal, HelloRefusalCode } from '../../../../mesh/membership/hello.ts'

const mesh = meshId('ab'.repeat(32))

function hello(name: string, at = mesh): Hello {
  const incarnation = { generation: 1, bootId: name }
  const nonce = new Uint8Array(16)
  return { mesh: at, name, incarnation, addresses: ['/ip4/1'], version: 2, claim: null, nonce }
}

function side(out: FrameQueue, into: FrameQueue): ByteStream {
  return {
    write: (bytes) => out.push(bytes),
    chunks: into,
    end: async () => out.finish(),
    abort: (reason) => out.fail(reason)
  }
}

function streams(): readonly [ByteStream, ByteStream] {
  const there = new FrameQueue(1e6)
  const back = new FrameQueue(1e6)
  return [side(there, back), side(back, there)]
}

async function talk(
  dialler: Hello,
  acceptor: Hello,
  refusals: { dialler?: HelloRefusalCode; acceptor?: HelloRefusalCode } = {}
): Promise<readonly [PromiseSettledResult<Hello>, PromiseSettledResult<Hello>]> {
  const [a, b] = streams()
  return Promise.allSettled([
    greet(new Exchange(a), dialler, async () => refusal(refusals.dialler)),
    answerGreeting(new Exchange(b), acceptor, async () => refusal(refusals.acceptor))
  ])
}

function refusal(code: HelloRefusalCode | undefined): HelloRefusal | null {
  return code === undefined ? null : { code, evidence: Uint8Array.of(7) }
}

function outcome(result: PromiseSettledResult<Hello>): string {
  if (result.status === 'fulfilled') return result.value.name
  const { code, by } = result.reason
  return `${code} by ${by}`
}

describe('mesh/membership: hello', () => {
  it('tells each side who the other is', async () => {
    const results = await talk(hello('a'), hello('b'))
    assert.deepEqual(results.map(outcome), ['b', 'a'])
  })

  it('tells both sides of a refusal, and who refused', async () => {
    const duplicate = 'MESH_DUPLICATE_IDENTITY'
    const byAcceptor = await talk(hello('a'), hello('b'), { acceptor: duplicate })
    assert.deepEqual(byAcceptor.map(outcome), [`${duplicate} by peer`, `${duplicate} by us`])
    const byDialler = await talk(hello('a'), hello('b'), { dialler: duplicate })
    assert.deepEqual(byDialler.map(outcome), [`${duplicate} by us`, `${duplicate} by peer`])
  })

  it('refuses another mesh and another version with the reason', async () => {
    const [foreign] = await talk(hello('a', meshId('00'.repeat(32))), hello('b'))
    assert.equal(outcome(foreign), 'MESH_WRONG_MESH by peer')
    for (const [message, code] of [
      [{ v: 2 }, 'MESH_PROTOCOL_UNSUPPORTED'],
      [{ v: 1, versions: [3, 4], mesh }, 'MESH_PROTOCOL_UNSUPPORTED'],
      [{ v: 1, versions: [0, 0], mesh }, 'MESH_PROTOCOL_UNSUPPORTED'],
      [{ v: 1, mesh, name: 'a', generation: -1, bootId: 'a' }, 'MESH_HELLO_REFUSED'],
      [7, 'MESH_PROTOCOL_UNSUPPORTED']
    ] as const) {
      const [a, b] = streams()
      const answered = answerGreeting(new Exchange(b), hello('b'), async () => null)
      const exchange = new Exchange(a)
      await exchange.send(message)
      await assert.rejects(answered, { code, by: 'us' })
      const answer = { error: code, versions: [1, 2], evidence: null }
      assert.deepEqual({ ...Object(await exchange.receive(100)) }, answer)
    }
  })

  it('goes on in the newest version that both speak, one back included', async () => {
    for (const [versions, spoken] of [
      [undefined, 1],
      [[1, 2], 2],
      [[2, 7], 2]
    ] as const) {
      const [a, b] = streams()
      const answered = answerGreeting(new Exchange(b), hello('b'), async () => null)
      const exchange = new Exchange(a)
      const said = { v: 1, mesh, name: 'a', generation: 1, bootId: 'a', addresses: [] }
      await exchange.send(versions === undefined ? said : { ...said, versions })
      await exchange.receive(1000)
      await exchange.send({ ok: true })
      assert.equal((await answered).version, spoken)
    }
  })

  it('says which side is to be updated', async () => {
    const [a, b] = streams()
    const greeted = greet(new Exchange(a), hello('a'), async () => null)
    const exchange = new Exchange(b)
    await exchange.receive(1000)
    await exchange.send({ error: 'MESH_PROTOCOL_UNSUPPORTED', versions: [3, 4] })
    await assert.rejects(greeted, /the peer speaks versions 3 to 4 .* this node 1 to 2; .* here/)
  })
})

describe('mesh: messages before RPC', () => {
  it('are read whole from any chunks, one after another', async () => {
    const [a, b] = streams()
    const all = [...framed('one'), ...framed({ two: 2 })]
    for (const byte of all) await a.write(Uint8Array.of(byte))
    const exchange = new Exchange(b)
    assert.equal(await exchange.receive(10), 'one')
    assert.deepEqual(await exchange.receive(10), { two: 2 })
  })

  it('are refused when too long, cut short, or not canonical', async () => {
    const invalid = { code: 'MESH_MESSAGE_INVALID' }
    for (const bytes of [
      framed('x'.repeat(50)),
      Uint8Array.of(0, 0),
      Uint8Array.of(0, 0, 0, 2, 24, 1)
    ]) {
      const [a, b] = streams()
      await a.write(bytes)
      await a.end()
      await assert.rejects(new Exchange(b).receive(20), invalid)
    }
  })
})

function framed(value: Cbor): Uint8Array {
  const bytes = encodeCbor(value)
  return Uint8Array.of(0, 0, 0, bytes.length, ...bytes)
}
