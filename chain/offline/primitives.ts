type Check = (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean

/** What is hashed: the prefix of a domain, and up to two parts behind it. */
export interface HashMessage {
  readonly prefix: Uint8Array
  readonly first: Uint8Array
  readonly second?: Uint8Array
}

/** What a verifier needs of cryptography. Node has it built in; a browser brings it along. */
export interface Primitives {
  readonly sha256: (bytes: Uint8Array) => Uint8Array
  /** With 32 bytes of output. */
  readonly shake256: (bytes: Uint8Array) => Uint8Array
  /** The same of many messages, in order: some machines hash two at a time. */
  readonly shake256Each: (messages: readonly HashMessage[]) => readonly Uint8Array[]
  /** RFC 8032, pure. False, never a throw, for keys and signatures of any other form. */
  readonly ed25519: Check
  /** FIPS 204, pure, with an empty context. False, never a throw, for anything of another form. */
  readonly mlDsa44: Check
}
