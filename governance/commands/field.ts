/**
 * One argument as it would be executed. Where it cannot be known, `isExact` is false and `text` is the best
 * guess: what is known of it, with unknown parts left out.
 */
export interface Field {
  readonly text: string
  readonly isExact: boolean
}

export function exact(text: string): Field {
  return { text, isExact: true }
}

export function texts(fields: readonly Field[]): readonly string[] {
  return fields.map((field) => field.text)
}
