// Variables that make other programs run something: an assignment can be a command.

import { exact } from './field.ts'
import type { Field } from './field.ts'
import { callOf, SILENT, UNKNOWN } from './call.ts'
import { reads } from './paths.ts'
import type { Shell } from './shell-state.ts'

/** Their values are command lines. */
const COMMANDS =
  /^(GIT_(SSH_COMMAND|SSH|PAGER|EDITOR|SEQUENCE_EDITOR|EXTERNAL_DIFF|ASKPASS|PROXY_COMMAND)|PAGER|MANPAGER|EDITOR|VISUAL|BROWSER|LESSOPEN|LESSCLOSE|SSH_ASKPASS|SUDO_ASKPASS|PROMPT_COMMAND|RSYNC_RSH|CVS_RSH|FCEDIT|PS4|HGEDITOR|CARGO_BUILD_RUSTC_WRAPPER|RUSTC_WRAPPER|RUSTC|CC|CXX|LD|AR|MAKE|SHELL)$/

/** Their values name code that is loaded, or change what a program's name means. */
const LOADERS =
  /^(LD_(PRELOAD|AUDIT|LIBRARY_PATH)|DYLD_\w+|BASH_ENV|ENV|PATH|PYTHON(STARTUP|PATH|HOME|BREAKPOINT|INSPECT)|NODE_(OPTIONS|PATH)|PERL5(OPT|LIB|DB)|RUBY(OPT|LIB)|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|JDK_JAVA_OPTIONS|CLASSPATH|GIT_(CONFIG\w*|EXEC_PATH|TEMPLATE_DIR|DIR|ATTR_SOURCE)|HOME|XDG_CONFIG_HOME|ZDOTDIR|GCONV_PATH|TERMINFO|MAKEFLAGS|MAKEFILES|PHPRC|PHP_INI_SCAN_DIR|LUA_(INIT|PATH|CPATH)|npm_config_\w+|NPM_CONFIG_\w+|PIP_\w+|CARGO_HOME|GOFLAGS|TAR_OPTIONS|LESS|SHELLOPTS|BASHOPTS|BASH_FUNC_.*|GREP_OPTIONS|OPENSSL_CONF|SSLKEYLOGFILE|HTTPS?_PROXY|ALL_PROXY|https?_proxy|all_proxy)$/

export function judgeAssignment(name: string, value: Field, shell: Shell): void {
  const { place } = shell
  if (COMMANDS.test(name)) {
    place.findings.risk('interprets-code', `${name} is a command that another program runs`)
    const options = {
      reading: 'posix',
      isDoubtful: false,
      positional: null,
      input: UNKNOWN
    } as const
    place.shell(value, options, place)
    return
  }
  if (!LOADERS.test(name)) return
  place.findings.risk(
    'interprets-code',
    `${name} makes programs load code or changes their meaning`
  )
  place.findings.unresolved(`${name} changes what programs do`)
  reads(callOf([exact(name)], SILENT, place), value.text)
}
