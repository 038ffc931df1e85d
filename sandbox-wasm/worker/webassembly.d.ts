// The part of the WebAssembly JavaScript API that these sources use: TypeScript declares it with the DOM only.

declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>)
    static exports(module: Module): readonly object[]
    static imports(module: Module): readonly { readonly module: string; readonly name: string }[]
  }
  class Memory {
    constructor(descriptor: { readonly initial: number })
    readonly buffer: ArrayBuffer
    grow(pages: number): number
  }
  class Instance {
    constructor(module: Module, imports?: Imports)
    readonly exports: Readonly<Record<string, unknown>>
  }
  type Imports = Readonly<Record<string, Readonly<Record<string, unknown>>>>
}
