import { readFile } from 'node:fs/promises'
import type { Command } from '../command.ts'
import { EXIT } from '../errors.ts'

/** The version in package.json, which lies above cli/ in the checkout and in the published package. */
export async function ownVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8')
  const { version }: { readonly version: string } = JSON.parse(text)
  return version
}

export const versionCommand: Command = {
  summary: 'Show the version',
  examples: ['weaver version --json'],
  load: () =>
    Promise.resolve(async ({ output }) => {
      const versions = { version: await ownVersion(), node: process.versions.node }
      await output.document(versions, ({ version, node }) => `weaver ${version} (node ${node})`)
      return EXIT.done
    })
}
