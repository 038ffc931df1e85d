// The tool `hash`: {"algorithm", "text" | "base64", "bytes"?} -> {"algorithm", "hex"}.
// AssemblyScript; scripts/build-tools.ts makes a component of it that imports nothing.

import { loweredResult, loweredString } from './abi'
import { decodeBase64 } from './base64'
import { Bytes, bytesOf, Writer } from './bytes'
import { Member, Reader } from './json'
import { keccak, SHA3_SUFFIX, SHAKE_SUFFIX } from './keccak'
import { sha256, sha512 } from './sha2'

export { cabi_realloc } from './abi'

const SHAKE_BYTES_DEFAULT: i32 = 32
const SHAKE_BYTES_MAX: i32 = 65536

const DESCRIPTION =
  '{"version":"1.0.0","description":"Hashes a text or bytes with SHA-2, SHA-3 or SHAKE",' +
  '"input":{"type":"object","properties":{' +
  '"algorithm":{"enum":["sha256","sha512","sha3-256","sha3-512","shake128","shake256"]},' +
  '"text":{"type":"string","description":"hashed as UTF-8"},' +
  '"base64":{"type":"string","contentEncoding":"base64"},' +
  '"bytes":{"type":"integer","minimum":1,"maximum":65536,"default":32,' +
  '"description":"output length of shake128 and shake256"}},' +
  '"required":["algorithm"],"oneOf":[{"required":["text"]},{"required":["base64"]}],' +
  '"additionalProperties":false}}'

export function describe(): usize {
  return loweredString(bytesOf(DESCRIPTION))
}

export function call(pointer: usize, length: usize): usize {
  const reader = new Reader(new Bytes(pointer, <i32>length))
  const members = reader.members()
  if (reader.failure != '') {
    return refused('HASH_INPUT_INVALID', 'Cannot read the input: ' + reader.failure)
  }
  let algorithm: Bytes | null = null
  let input: Bytes | null = null
  let outputLength = 0
  for (let index = 0; index < members.length; index++) {
    const member = members[index]
    const text = member.text
    if (text === null) {
      if (!member.name.equals('bytes') || outputLength != 0) return wrongMember(member)
      outputLength = member.number
      if (outputLength < 1 || outputLength > SHAKE_BYTES_MAX) return wrongLength()
    } else if (member.name.equals('algorithm') && algorithm === null) {
      algorithm = text
    } else if (member.name.equals('text') && input === null) {
      input = text
    } else if (member.name.equals('base64') && input === null) {
      input = decodeBase64(text)
      if (input === null) {
        return refused('HASH_BASE64_INVALID', 'Cannot decode base64: must be padded, RFC 4648')
      }
    } else {
      return wrongMember(member)
    }
  }
  if (algorithm === null) return refused('HASH_INPUT_INVALID', 'Cannot hash without an algorithm')
  if (input === null) return refused('HASH_INPUT_INVALID', 'Cannot hash without text or base64')
  return hashed(algorithm, input, outputLength)
}

function hashed(algorithm: Bytes, input: Bytes, asked: i32): usize {
  const isShake = algorithm.equals('shake128') || algorithm.equals('shake256')
  if (!isShake && asked != 0) {
    return refused(
      'HASH_BYTES_INVALID',
      'Cannot choose the length: only shake128, shake256 have one'
    )
  }
  const length = asked == 0 ? SHAKE_BYTES_DEFAULT : asked
  let digest: Bytes
  // The rate is 200 bytes less twice the strength: 1600 bits of state, 2 x 128 or 2 x 256 kept apart.
  if (algorithm.equals('shake128')) digest = keccak(input, 168, SHAKE_SUFFIX, length)
  else if (algorithm.equals('shake256')) digest = keccak(input, 136, SHAKE_SUFFIX, length)
  else if (algorithm.equals('sha3-256')) digest = keccak(input, 136, SHA3_SUFFIX, 32)
  else if (algorithm.equals('sha3-512')) digest = keccak(input, 72, SHA3_SUFFIX, 64)
  else if (algorithm.equals('sha256')) digest = sha256(input)
  else if (algorithm.equals('sha512')) digest = sha512(input)
  else {
    return refused(
      'HASH_ALGORITHM_UNKNOWN',
      'Cannot use that algorithm: use sha256, sha512, sha3-256, sha3-512, shake128 or shake256'
    )
  }
  const output = new Writer(digest.length * 2 + 64)
  output.text('{"algorithm":"')
  output.bytes(algorithm) // One of the names above: nothing in it to escape.
  output.text('","hex":"')
  output.hex(digest)
  output.text('"}')
  return loweredResult(true, output.done())
}

function wrongMember(member: Member): usize {
  const known = ['algorithm', 'text', 'base64', 'bytes']
  for (let index = 0; index < known.length; index++) {
    if (member.name.equals(known[index])) {
      return refused(
        'HASH_INPUT_INVALID',
        'Cannot use ' +
          known[index] +
          ': it is given twice, beside its other form, or of a wrong type'
      )
    }
  }
  return refused(
    'HASH_INPUT_INVALID',
    'Cannot use a field that is not algorithm, text, base64 or bytes'
  )
}

function wrongLength(): usize {
  return refused('HASH_BYTES_INVALID', 'Cannot give that many bytes: must be from 1 to 65536')
}

function refused(code: string, message: string): usize {
  return loweredResult(false, bytesOf('{"code":"' + code + '","message":"' + message + '"}'))
}
