/** As a person would type it: what is not plain stands in quotes. */
export function commandLine(argv: readonly string[]): string {
  return argv
    .map((text) =>
      /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
    )
    .join(' ')
}
