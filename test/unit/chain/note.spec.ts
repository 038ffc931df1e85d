import assert from 'node:assert/strict'
import { fromHex, toHex, utf8 } from '../../../core/index.ts'
import { fromBase64, nodeKey, nodeText } from '../../../chain/offline/bytes.ts'
import { Malformed } from '../../../chain/offline/errors.ts'
import { originOf, readCheckpoint } from '../../../chain/offline/keys.ts'
import { nodePrimitives } from '../../../chain/offline/node-primitives.ts'
import {
  cosignedText,
  cosignedTree,
  ED25519_NOTE,
  formatNote,
  keyId,
  parseCheckpoint,
  parseNote
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

describe('chain: notes and checkpoints', () => {
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
