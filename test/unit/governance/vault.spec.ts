import assert from 'node:assert/strict'
import { SEAL_KEY_BYTES, unixMillis, utf8 } from '../../../core/index.ts'
import { systemEntropy } from '../../../core/system.ts'
import { Vault } from '../../../governance/secrets/vault.ts'
import { MemoryFile } from '../../doubles/secret-files.ts'

const VALUE = utf8('sk-live-0123456789')

describe('governance/secrets/vault', () => {
  const key = systemEntropy.bytes(SEAL_KEY_BYTES)
  let file: MemoryFile
  const open = (by: Uint8Array = key): Promise<Vault> =>
    Vault.open({ file, entropy: systemEntropy, wall: () => unixMillis(1) }, by)

  beforeEach(() => {
    file = new MemoryFile()
  })

  it('keeps a secret over a restart, and lists its name alone', async () => {
    await (await open()).set('API_KEY', VALUE)
    const vault = await open()
    assert.deepEqual(vault.read('API_KEY'), VALUE)
    assert.deepEqual(vault.list(), [{ name: 'API_KEY', setAt: 1 }])
  })

  it('stores nothing of the value in the clear (V1)', async () => {
    await (await open()).set('API_KEY', VALUE)
    const stored = Buffer.from(file.bytes ?? [])
    assert.equal(stored.includes(Buffer.from(VALUE)), false)
    assert.equal(stored.includes(Buffer.from(VALUE).subarray(0, 6)), false)
  })

  it('remove() forgets it; what is not there is an error that says how to set it', async () => {
    const vault = await open()
    await vault.set('A', VALUE)
    await vault.remove('A')
    assert.equal((await open()).has('A'), false)
    assert.throws(() => vault.read('A'), { code: 'GOVERNANCE_SECRET_NOT_FOUND' })
    await assert.rejects(vault.remove('A'), { code: 'GOVERNANCE_SECRET_NOT_FOUND' })
  })

  it('is refused with another key, and with any byte changed, and is left as it is', async () => {
    await (await open()).set('A', VALUE)
    const stored = file.bytes ?? new Uint8Array()
    const damaged = { code: 'GOVERNANCE_VAULT_DAMAGED' }
    await assert.rejects(open(systemEntropy.bytes(SEAL_KEY_BYTES)), damaged)
    let refused = 0
    for (const at of stored.keys()) {
      file.bytes = stored.map((byte, index) => (index === at ? byte ^ 1 : byte))
      const opened = await open().catch(() => null)
      if (opened === null) refused += 1
      // The time at which it was set is not sealed; everything else is, or is the format itself.
      else assert.deepEqual(opened.read('A'), VALUE)
    }
    assert.ok(refused >= stored.length - 2, `${refused} of ${stored.length}`)
  })

  it('does not open a value under another name (V3)', async () => {
    await (await open()).set('FIRST', VALUE)
    const text = Buffer.from(file.bytes ?? []).toString('latin1')
    file.bytes = Buffer.from(text.replace('FIRST', 'OTHER'), 'latin1')
    await assert.rejects(open(), { code: 'GOVERNANCE_VAULT_DAMAGED' })
  })

  it('a change that cannot be stored changes nothing, and the next one works (V2)', async () => {
    const vault = await open()
    await vault.set('A', VALUE)
    file.failure = new Error('ENOSPC')
    await assert.rejects(vault.set('B', VALUE), /ENOSPC/)
    assert.equal(vault.has('B'), false)
    file.failure = null
    await Promise.all([vault.set('C', VALUE), vault.set('D', VALUE), vault.remove('A')])
    const names = (await open()).list().map(({ name }) => name)
    assert.deepEqual(names, ['C', 'D'])
  })

  for (const name of ['', '1A', 'a b', 'A=B', '__proto__', '../x', 'A'.repeat(65)]) {
    it(`refuses the name ${JSON.stringify(name.slice(0, 12))}`, async () => {
      const expected = { code: 'GOVERNANCE_INVALID_SECRET_NAME' }
      await assert.rejects((await open()).set(name, VALUE), expected)
    })
  }

  it('refuses values that are too short to be hidden or too long, and more than it can hold', async () => {
    const vault = await open()
    const invalid = { code: 'GOVERNANCE_INVALID_SECRET' }
    await assert.rejects(vault.set('A', utf8('1234567')), invalid)
    await assert.rejects(vault.set('A', new Uint8Array(64 * 1024 + 1)), invalid)
    for (let index = 0; index < 256; index += 1) await vault.set(`S${index}`, VALUE)
    await assert.rejects(vault.set('ONE_MORE', VALUE), { code: 'GOVERNANCE_TOO_MANY_SECRETS' })
    await vault.set('S0', utf8('another value'))
  })
})
