import assert from 'node:assert/strict'
import { closeSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { argumentBytes, openArguments } from '../../../../node/containment/argument-file.ts'
import { toldBytes } from '../../../../node/containment/waiting.ts'

describe('containment/argument-file', () => {
  const invalid = { code: 'PROCESS_INVALID_COMMAND' }

  it('ends each argument with a NUL, in a file without a name', () => {
    const folder = mkdtempSync(join(tmpdir(), 'weaver-arguments-'))
    const path = join(folder, 'args')
    const descriptor = openArguments(path, ['--chdir', '/tmp/ä', ''])
    assert.equal(readFileSync(descriptor, 'utf8'), '--chdir\0/tmp/ä\0\0')
    assert.equal(existsSync(path), false)
    closeSync(descriptor)
    rmSync(folder, { recursive: true })
  })

  it('refuses an argument that would be several', () => {
    const args = ['--chdir', '/usr/\0--share-net']
    assert.throws(() => argumentBytes(args), invalid)
    const told = { mark: ['A', 'b'], args, command: ['true'] } as const
    assert.throws(() => toldBytes(told, false), invalid)
  })
})
