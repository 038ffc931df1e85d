import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { loadCedar } from '../../../governance/index.ts'
import { shippedSchema, shippedSchemaJson } from '../../../governance/shipped.ts'
import { schemaFile } from '../../../scripts/docs-schema.ts'

describe('governance: what is shipped', () => {
  it('has the schema also as the engine reads it', async () => {
    const { url, text } = await schemaFile()
    assert.equal(await readFile(url, 'utf8'), text, 'npm run docs writes the file anew')
    const engine = await loadCedar()
    const read = shippedSchemaJson()
    assert.equal(read, engine.schemaJson(shippedSchema()))
    const asRead = engine.useSchema(shippedSchema(), read)
    assert.deepEqual(asRead, engine.useSchema(shippedSchema()))
  })
})
