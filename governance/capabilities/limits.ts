// Every bound of capabilities.

/** A token of 40 grants and two attenuations has 4 KB. */
export const TOKEN_BYTES_MAX: number = 32 * 1024
/** Each attenuation costs a signature to check (about 0.1 ms). */
export const BLOCKS_MAX = 8
/** Rights of one token: what one task may need, and each is a fact that the engine looks at. */
export const GRANTS_MAX = 64
/** A token has a dozen facts; what its blocks derive is bounded by these. */
export const RUN_FACTS_MAX = 1000
export const RUN_ITERATIONS_MAX = 100
/** After so many uses its memory has grown by some 20 MB: see biscuit.ts. */
export const ENGINE_USES_MAX = 1000
/** Characters of why a token was refused, for people: two lines. */
export const REASON_LENGTH_MAX = 300
/** How long the key that signs a node's tokens is good for: past the longest life of a token. */
export const KEY_LIFE_MS: number = 30 * 86_400_000
/** A task without a time limit: its authority is renewed by whoever delegated it, or ends. */
export const TOKEN_LIFE_MAX_MS: number = 7 * 86_400_000
