// Finds the command lines of weaver in a line of shell. No shell: it knows quotes, pipes, lists, substitutions
// and variables set in front, which is what pages show.

/** The words behind `weaver` of every call of it in `line`, also within `$(...)` and `<(...)`. */
export function weaverCalls(line: string): readonly (readonly string[])[] {
  return simpleCommands(line).flatMap((words) => {
    const start = words.findIndex((word) => !/^[A-Za-z_][A-Za-z0-9_]*=/.test(word))
    const rest = start < 0 ? [] : words.slice(start)
    const own = rest[0] === 'npx' || rest[0] === 'exec' ? rest.slice(1) : rest
    const isWeaver = own[0] !== undefined && /^(?:.*\/)?weaver$/.test(own[0])
    return isWeaver ? [own.slice(1)] : []
  })
}

function simpleCommands(line: string): readonly (readonly string[])[] {
  // `<the line that invite printed>` stands for one word.
  const source = line.replaceAll(/<[a-z][^<>|()]*>/g, 'PLACEHOLDER')
  const commands: string[][] = [[]]
  let word: string | null = null
  const end = (): void => {
    if (word !== null) commands.at(-1)?.push(word)
    word = null
  }
  for (const [token] of source.matchAll(
    /'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[<$]\(|\s+|[|&;()]+|#|[^\s'"\\|&;()<$#]+|./gs
  )) {
    if (/^\s/.test(token)) end()
    else if (token === '#' && word === null) break
    else if (/^(?:[|&;()]+|[<$]\()$/.test(token)) {
      end()
      commands.push([])
    } else word = (word ?? '') + unquoted(token)
  }
  end()
  return commands
}

function unquoted(token: string): string {
  if (token.startsWith("'") || token.startsWith('"')) return token.slice(1, -1)
  return token.length === 2 && token.startsWith('\\') ? token.slice(1) : token
}
