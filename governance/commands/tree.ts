// A shell text as a tree, in our own words: what the parser found, with everything gone that does not
// matter for what is executed.

/** One piece of a word. */
export type Part =
  /** Unquoted text; backslashes are still in it. */
  | { readonly kind: 'literal'; readonly text: string }
  /** Quoted text, verbatim. */
  | { readonly kind: 'quoted'; readonly text: string }
  /** `$'...'`, not yet decoded. */
  | { readonly kind: 'ansi'; readonly text: string }
  | { readonly kind: 'double'; readonly parts: readonly Part[] }
  | Parameter
  | { readonly kind: 'substitution'; readonly statements: readonly Statement[] }
  | { readonly kind: 'process'; readonly statements: readonly Statement[] }
  | { readonly kind: 'braces'; readonly items: readonly Word[] }
  /** Arithmetic, extended globs and other things whose value is not followed; what they run is. */
  | { readonly kind: 'opaque'; readonly inside: readonly (readonly Statement[])[] }

/** `$name`, `${name}` and what can be done to it. */
export interface Parameter {
  readonly kind: 'parameter'
  readonly name: string
  readonly change:
    | { readonly kind: 'none' }
    /** `:-`, `-`, `:=`, `=`, `:+`, `+`; the word is judged, and used where it applies. */
    | { readonly kind: 'default'; readonly operator: DefaultOperator; readonly word: Word }
    | { readonly kind: 'slice'; readonly offset: number; readonly length: number | null }
    | { readonly kind: 'other'; readonly inside: readonly (readonly Statement[])[] }
}

export type DefaultOperator = ':-' | '-' | ':=' | '=' | ':+' | '+'

export interface Word {
  readonly parts: readonly Part[]
}

export interface Assignment {
  readonly name: string
  readonly isAppended: boolean
  /** Null for arrays and elements of arrays, whose values are not followed. */
  readonly value: Word | null
  readonly inside: readonly (readonly Statement[])[]
}

export interface Redirect {
  readonly operator: RedirectOperator
  readonly descriptor: string | null
  readonly target: Word
  /** The text of a here-document. */
  readonly document: Word | null
}

export type RedirectOperator =
  | '>'
  | '>>'
  | '<'
  | '<>'
  | '<&'
  | '>&'
  | '>|'
  | '<<'
  | '<<-'
  | '<<<'
  | '&>'
  | '&>>'

export interface Statement {
  readonly command: Command | null
  readonly redirects: readonly Redirect[]
  readonly isBackground: boolean
}

export type Command =
  | {
      readonly kind: 'simple'
      readonly assignments: readonly Assignment[]
      readonly words: readonly Word[]
    }
  | { readonly kind: 'pipe'; readonly left: Statement; readonly right: Statement }
  /** `&&` and `||`: the right side may run. */
  | { readonly kind: 'maybe'; readonly left: Statement; readonly right: Statement }
  | {
      readonly kind: 'group'
      readonly isSubshell: boolean
      readonly statements: readonly Statement[]
    }
  /** if, case, while, until, for, select: bodies that run any number of times. */
  | {
      readonly kind: 'repeat'
      readonly bodies: readonly (readonly Statement[])[]
      readonly loop: { readonly variable: string; readonly items: readonly Word[] } | null
      readonly words: readonly Word[]
      readonly isEndless: boolean
    }
  | { readonly kind: 'function'; readonly name: string; readonly body: Statement }
  | {
      readonly kind: 'declare'
      readonly program: string
      readonly assignments: readonly Assignment[]
      readonly words: readonly Word[]
    }
  /** `[[ ]]`, `(( ))`, `let` and the like: they run nothing but what is substituted inside. */
  | { readonly kind: 'opaque'; readonly inside: readonly (readonly Statement[])[] }

export type Reading = 'posix' | 'bash'
