import assert from 'node:assert/strict'
import { analyseCommand, commandContext } from '../../../../governance/index.ts'
import type { CommandAnalysis } from '../../../../governance/index.ts'

const surroundings = { cwd: '/work/here', environmentNames: ['PATH', 'DEPLOY_TOKEN'] }

function analyse(...argv: readonly string[]): CommandAnalysis {
  return analyseCommand(argv, surroundings)
}

function bash(text: string): CommandAnalysis {
  return analyse('bash', '-c', text)
}

/** The commands inside, without the shell that was asked. */
function inside(analysis: CommandAnalysis): readonly (readonly string[])[] {
  return analysis.commands.slice(1)
}

describe('analyseCommand()', () => {
  it('takes an argument vector as it is: nothing in it is shell', () => {
    const analysis = analyse('echo', '$(rm -rf /)', '`x`', '*', '; rm')
    assert.equal(analysis.isAnalysable, true)
    assert.deepEqual(analysis.programs, ['echo'])
    assert.deepEqual(analysis.risks, [])
  })

  it('finds every simple command of a shell text (S1)', () => {
    const text =
      'a 1; b | c && d || (e; f) & { g; } ; h $(i) `j` "$(k)" <(l) > /dev/null; if m; then n; elif o; then p; else q; fi; ' +
      'while r; do s; break; done; case x in $(t)) u;; esac; v() { w; }; [[ -n $(x1) ]]; y <<E\n$(z)\nE\n'
    const names = new Set(inside(bash(text)).map((command) => command[0]))
    const expected = 'a b c d e f g h i j k l m n o p q r s t u w x1 y z'.split(' ')
    for (const name of expected) assert.ok(names.has(name), name)
  })

  const words: readonly (readonly [string, readonly string[]])[] = [
    [`r\\m 'a b'"c"d`, ['rm', 'a bcd']],
    [`$'\\x72\\155' $'\\u0041'`, ['rm', 'A']],
    ['x{a,b}y {1,"2 3"}', ['xay', 'xby', '1', '2 3']],
    ['a=rm; b=-rf; $a $b"x"', ['rm', '-rfx']],
    ['rm$IFS-rf${IFS}x', ['rm', '-rf', 'x']],
    ['x="one two"; y $x "$x"', ['y', 'one', 'two', 'one two']],
    ['x=rmabc; ${x:0:2} ${y:-z}', ['rm', 'z']],
    ['set -- a "b c"; x "$@" $2', ['x', 'a', 'b c', 'b', 'c']],
    ['$(echo rm) a', ['rm', 'a']],
    ['f() { x "$1" y; }; f "a b"', ['x', 'a b', 'y']],
    ['x "a\\$b\\"c\\d"', ['x', 'a$b"c\\d']],
    ['x "" \'\' $nothing""', ['x', '', '', '']]
  ]
  for (const [text, expected] of words) {
    it(`reads \`${text}\` as the shell does`, () => {
      const commands = inside(bash(text))
      assert.deepEqual(commands.at(-1), expected)
    })
  }

  const unresolved = [
    'rm $x',
    'rm *.o',
    'rm "$(cat list)"',
    '$x',
    'ls ~/a',
    'source ./x',
    'curl x | sh',
    'IFS=,; x $y',
    'alias x=y; x',
    'x $RANDOM',
    'x {1..3}',
    'x $((1+1))',
    'if a; then x=1; fi; b $x',
    'a && f() { :; }; f',
    'x "',
    'PATH=.; ls',
    'cat a | xargs rm',
    'find . -exec rm {} +',
    'eval "$x"',
    'a "b"#; rm -rf /',
    'a $b#; rm -rf /',
    "x='a b'; y $x$",
    'y a$IFS$\\*'
  ]
  for (const text of unresolved) {
    it(`does not pretend to know what \`${text}\` runs`, () => {
      assert.equal(bash(text).isAnalysable, false)
    })
  }

  it('reads a text for sh in both ways where shells differ', () => {
    assert.equal(analyse('sh', '-c', "$'\\x72m' x").isAnalysable, false)
    assert.equal(analyse('sh', '-c', '((rm -rf /))').isAnalysable, false)
    assert.ok(analyse('sh', '-c', '((rm -rf /))').risks.includes('destroys'))
    assert.equal(analyse('sh', '-c', 'echo {a,b}').isAnalysable, false)
    assert.equal(analyse('sh', '-c', 'echo a; b "c"').isAnalysable, true)
  })

  it('does not count on the output of a command that a missing file may keep from running', () => {
    assert.equal(bash('a $(printf <nowhere %s b)').isAnalysable, false)
    assert.equal(bash('a $(printf %s b 2>/dev/null)').isAnalysable, true)
    assert.equal(bash('a $(printf %s b 2>&1)').isAnalysable, true)
    assert.equal(bash('wc -l <notes').isAnalysable, true)
  })

  it('does not count on what a command has changed that a missing file may keep from running', () => {
    assert.equal(bash('set <nowhere -- p q; a "$@"').isAnalysable, false)
    assert.equal(bash('set -- p q; { set -- r; } <nowhere; a "$@"').isAnalysable, false)
    assert.equal(bash('set -- p q 2>/dev/null; a "$@"').isAnalysable, true)
  })

  it('does not count on the words of a set whose options may be void', () => {
    assert.equal(bash('set -eu a b; "$1"').isAnalysable, true)
    assert.equal(bash('set -bb- a b; "$1"').isAnalysable, false)
    assert.equal(bash('set -o a b; "$1"').isAnalysable, false)
  })

  it('sees what stands behind a # that begins no comment', () => {
    assert.ok(bash('a "b"#; rm -rf /').risks.includes('destroys'))
    assert.deepEqual(bash('a b#c; d # rm -rf /').risks, [])
    assert.equal(bash('a b#c "d#e"; f # rm -rf /').isAnalysable, true)
  })

  it('finds what other languages and files of the same command hide', () => {
    for (const text of [
      'echo x > /home/me/notes',
      'python3 -c \'import subprocess as s; s.run(["rm","-rf","/home/me"])\'',
      "perl -e 'exec qw(rm -rf /home/me)'",
      "vim -es -c '!rm -rf /home/me' -c q",
      "git ls-remote 'ext::sh -c rm% -rf% /home/me'",
      'chmod 0 /home/me/notes'
    ]) {
      assert.ok(bash(text).risks.includes('destroys'), text)
    }
    const made = bash('printf x > y; ./y')
    assert.equal(made.isAnalysable, false)
    assert.ok(made.risks.includes('hides'))
  })

  it('reads a script that it is given', () => {
    const readFile = (path: string): string | null =>
      path === '/work/here/x.sh' ? 'rm -rf /etc\n' : null
    const known = analyseCommand(['sh', 'x.sh'], { ...surroundings, readFile })
    assert.ok(known.risks.includes('destroys'))
    assert.equal(analyse('sh', 'x.sh').isAnalysable, false)
  })

  it('names what is read, written and reached', () => {
    const analysis = bash(
      'cat ../a /etc/passwd > out; curl https://Example.com:8443/x -o y; cd sub; cat z'
    )
    assert.deepEqual(analysis.reads, ['/etc/passwd', '/work/a', '/work/here/sub/z'])
    assert.deepEqual(analysis.writes, ['/work/here/out', '/work/here/y'])
    assert.deepEqual(analysis.hosts, ['example.com'])
  })

  it('finds ordinary work harmless', () => {
    for (const text of [
      'ls -la src',
      'grep -rn "TODO" src | sort | uniq -c | head -20',
      'mkdir -p build && cd build && cmake ..',
      'rm out.txt',
      'git status && git diff HEAD~1 && git log --oneline',
      'cat README.md | wc -l',
      'sed -n 1,20p a.ts',
      'tsc --noEmit'
    ]) {
      assert.deepEqual(bash(text).risks, [], text)
    }
  })

  it('gives policy the record and nothing else', () => {
    const keys = Object.keys(commandContext(analyse('ls'))).toSorted()
    assert.deepEqual(keys, [
      'hosts',
      'isAnalysable',
      'program',
      'programs',
      'reads',
      'risks',
      'writes'
    ])
  })

  it('ends in time for texts that grow, nest and call each other (C1)', function () {
    this.timeout(60_000)
    const chain = Array.from(
      { length: 40 },
      (_, index) => `f${index}() { f${index + 1}; f${index + 1}; }`
    )
    const loops = 'for i in 1 2 3 4 5 6 7 8 9; do '.repeat(12) + 'x; ' + 'done; '.repeat(12)
    for (const text of [
      `${chain.join('\n')}\nf0`,
      loops,
      '{a,b}'.repeat(40),
      '$('.repeat(5000),
      `${'$('.repeat(40)}x${')'.repeat(40)}`,
      '('.repeat(8000),
      `${'eval '.repeat(200)}x`,
      'a;'.repeat(16_000),
      ':(){ :|:& };:',
      `x=${'a'.repeat(30_000)}; ${'$x'.repeat(1000)}`
    ]) {
      const analysis = bash(text)
      assert.equal(analysis.isAnalysable, false, text.slice(0, 40))
      assert.ok(analysis.commands.length <= 256)
    }
    assert.equal(analyse(...Array.from({ length: 4000 }, () => 'sudo'), 'x').isAnalysable, false)
  })
})
