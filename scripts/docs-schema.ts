// Writes governance/policies/weft.cedarschema.json: the schema as the engine reads it, which spares every start of a
// kernel the reading. `npm run docs`.

import { writeFile } from 'node:fs/promises'
import { loadCedar } from '../governance/cedar-engine.ts'
import { schemaJsonFile, shippedSchema } from '../governance/shipped.ts'

/** The file as it ought to be. */
export async function schemaFile(): Promise<ReturnType<typeof schemaJsonFile>> {
  return schemaJsonFile((await loadCedar()).schemaJson(shippedSchema()))
}

if (import.meta.main) {
  const { url, text } = await schemaFile()
  await writeFile(url, text)
}
