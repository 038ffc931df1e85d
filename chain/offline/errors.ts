/** Bytes of another form than docs/chain-format.md demands. Caught in this folder: it becomes a problem. */
export class Malformed extends Error {
  constructor(what: string) {
    super(what)
    this.name = 'Malformed'
  }
}
