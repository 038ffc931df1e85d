import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fromHex, toHex, utf8 } from '../../../core/index.ts'
import { fromBase64, nodeKey, nodeText } from '../../../chain/offline/bytes.ts'
import { Malformed } from '../../../chain/offline/errors.ts'
import { originOf, readCheckpoint } from '../../../chain/offline/keys.ts'
import { nodePrimitives } from '../../../chain/offline/node-primitives.ts'
import {
  cosignedText,
  cosignedTree,
  ED25519_COSIGNATURE,
  ED25519_NOTE,
  formatNote,
  keyId,
  parseCheckpoint,
  parseNote,
  parseTimed
} from '../../../chain/offline/note.ts'
import { noteSigner } from '../../../chain/proofs/note-signer.ts'
import { signerOf } from './kit.ts'

/** Checks a note of one line against a published verifier key. */
function verifies(vkey: string, text: string): boolean {
  const [name = '', id = '', encoded = ''] = vkey.split(/\+(.{8})\+/)
  const material = fromBase64(encoded) ?? new Uint8Array(0)
  assert.equal(material[0], ED25519_NOTE)
  const key = material.subarray(1)
  assert.equal(toHex(keyId(nodePrimitives, name, ED25519_NOTE, key)), id)
  const note = parseNote(utf8(text))
  const line = note.lines.find((each) => each.name === name && toHex(each.keyId) === id)
  assert(line !== undefined)
  assert.equal(formatNote(note), text)
  return nodePrimitives.ed25519(key, utf8(note.text), line.signature)
}

/** Whether a witness with this published key has cosigned the note, which says when in front of the signature. */
function isCosignedBy(vkey: string, text: string): boolean {
  const [name = '', id = '', encoded = ''] = vkey.split(/\+([0-9a-f]{8})\+/)
  const material = fromBase64(encoded) ?? new Uint8Array(0)
  assert.equal(material[0], ED25519_COSIGNATURE)
  const key = material.subarray(1)
  assert.equal(toHex(keyId(nodePrimitives, name, ED25519_COSIGNATURE, key)), id)
  const note = parseNote(utf8(text))
  const line = note.lines.find((each) => each.name === name && toHex(each.keyId) === id)
  assert(line !== undefined)
  const { time, signature } = parseTimed(line.signature)
  return nodePrimitives.ed25519(key, cosignedText(time, note.text), signature)
}

describe('chain: notes and checkpoints', () => {
  it('take base64 in its one right form alone, as Buffer makes it', () => {
    const one = fc.constantFrom(...'A B P Q f g w 4 8 9 + / = - \n \u00e9 \u1234'.split(' '), ' ')
    const texts = fc.oneof(
      fc.string({ unit: one, maxLength: 9 }),
      fc.uint8Array({ maxLength: 70 }).map((bytes) => Buffer.from(bytes).toString('base64')),
      fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64url'))
    )
    fc.assert(
      fc.property(texts, (text) => {
        const bytes = Buffer.from(text, 'base64')
        const isRight = bytes.toString('base64') === text
        assert.deepEqual(fromBase64(text), isRight ? new Uint8Array(bytes) : null)
      }),
      { numRuns: 3000 }
    )
  })

  it('checks the published example of C2SP signed-note', () => {
    const vkey = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'
    const note =
      'This is an example message.\n\n\u2014 example.com/foo ' +
      'Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n'
    assert(verifies(vkey, note))
    assert(!verifies(vkey, note.replace('example message', 'exemple message')))
  })

  it('checks the published example of the Go note package', () => {
    const vkey = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
    const note =
      'If you think cryptography is the answer to your problem,\n' +
      "then you don't know what your problem is.\n\n\u2014 PeterNeumann " +
      'x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n'
    assert(verifies(vkey, note))
  })

  it('reads the published checkpoint, and makes the published message of its cosignature', () => {
    const body =
      'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n'
    const { origin, size, root } = parseCheckpoint(body)
    assert.deepEqual([origin, size], ['example.com/behind-the-sofa', 20_852_163])
    assert.equal(root.length, 32)
    assert.equal(
      new TextDecoder().decode(cosignedText(1_679_315_147, body)),
      `cosignature/v1\ntime 1679315147\n${body}`
    )
  })

  it('checks a checkpoint of a public log with the cosignatures of three public witnesses', () => {
    // As the log served it, and the keys as its operator and the witnesses publish them.
    const note = [
      'arche2025h1.staging.ct.transparency.dev',
      '1432088532',
      'U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=',
      '',
      '\u2014 arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=',
      '\u2014 transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==',
      '\u2014 witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==',
      '\u2014 remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==',
      ''
    ].join('\n')
    const log =
      'arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f'
    assert(verifies(log, note))
    const witnesses = [
      'transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM',
      'witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO',
      'remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2'
    ]
    for (const witness of witnesses) {
      assert(isCosignedBy(witness, note), witness)
      assert(!isCosignedBy(witness, note.replace('1432088532', '1432088533')), witness)
    }
  })

  it('lays out the message of an ML-DSA-44 cosignature as tlog-cosignature does', () => {
    const root = new Uint8Array(32).fill(0xab)
    const message = cosignedTree('w', 258, { origin: 'log', size: 65_537, root })
    const expected =
      `${toHex(utf8('subtree/v1\n\0'))}01770000000000000102036c6f67` +
      `00000000000000000000000000010001${'ab'.repeat(32)}`
    assert.equal(toHex(message), expected)
  })

  it('refuses notes and checkpoints of any other form', () => {
    const good = 'a\n1\n' + 'A'.repeat(43) + '=\n\n\u2014 a AAAAAAA=\n'
    assert.doesNotThrow(() => parseNote(utf8(good)))
    const bad = [
      good.slice(0, -1),
      good.replace('\n\n', '\n'),
      good.replace('\u2014', '-'),
      good.replace('a AAAAAAA=', 'a AAAAAA=='),
      good.replace('a AAAAAAA=', 'a AAAAAAB='),
      good.replace('\u2014 a', '\u2014 a+b'),
      good.replace('\u2014 a', '\u2014  a'),
      good.replace('1\n', '1\t\n'),
      `${good}\n`
    ]
    for (const text of bad)
      assert.throws(() => parseNote(utf8(text)), Malformed, JSON.stringify(text))
    for (const text of ['a\n01\n', 'a\n1e3\n', 'a\n-1\n', 'a\n9007199254740993\n', '\n1\n']) {
      assert.throws(() => parseCheckpoint(`${text}${'A'.repeat(43)}=\n`), Malformed, text)
    }
    assert.throws(() => parseCheckpoint(`a\n1\n${'A'.repeat(43)}=\nextension\n`), Malformed)
    assert.throws(() => parseCheckpoint('a\n1\nAAAA\n'), Malformed)
  })

  it('signs checkpoints with both keys of a lane, the same ones on every run', () => {
    const signer = signerOf(3)
    const { checkpoint, laneKey, cosign } = noteSigner(signer, { hasMlDsa: true })
    assert(laneKey !== null)
    assert.deepEqual(noteSigner(signerOf(3), { hasMlDsa: true }).laneKey, laneKey)
    const root = new Uint8Array(32).fill(7)
    const note = checkpoint({ size: 5, root }, 1000)
    const witness = noteSigner(signerOf(4), { hasMlDsa: false }).cosign(note.text, 1001)
    const bytes = utf8(formatNote({ ...note, lines: [...note.lines, witness] }))
    const mlDsa = laneKey.subarray(laneKey.length - 1312 - 66, laneKey.length - 66)
    const read = readCheckpoint(nodePrimitives, bytes, mlDsa)
    assert.deepEqual([read.size, read.time, read.hasMlDsa], [5, 1000, true])
    assert.deepEqual(read.witnesses, [{ node: signerOf(4).nodeId, time: 1001 }])
    const without = readCheckpoint(nodePrimitives, bytes, null)
    assert.deepEqual([without.hasMlDsa, without.unknown.length], [false, 1])
    const swapped = cosign(note.text, 1001)
    const foreign = { ...swapped, signature: witness.signature }
    const forged = utf8(formatNote({ ...note, lines: [...note.lines, foreign] }))
    assert.throws(() => readCheckpoint(nodePrimitives, forged, null), /cosignature/)
    assert.throws(() =>
      readCheckpoint(nodePrimitives, utf8(formatNote({ ...note, lines: [witness] })), null)
    )
  })

  it('writes and reads the text of a node as core/ does', () => {
    const { nodeId } = signerOf(1)
    const key = nodeKey(nodeId)
    assert(key !== null)
    assert.equal(nodeText(key), nodeId)
    assert.equal(nodeKey(`${nodeId}1`), null)
    assert.equal(nodeKey(nodeId.replace('12D3', '12D4')), null)
    assert.equal(originOf(nodeId), `weft-lane/${nodeId}`)
    assert.equal(fromHex('0g'), null)
  })
})
