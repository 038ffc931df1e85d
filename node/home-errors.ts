// Why a home cannot be used. One line each, with what to do next in `detail.hint`.

import { WeaverError } from '../core/index.ts'

export class HomeError extends WeaverError {
  constructor(code: string, message: string, options: { hint: string | null; cause?: unknown }) {
    super(code, message, {
      detail: { hint: options.hint },
      ...(options.cause === undefined ? {} : { cause: options.cause })
    })
  }
}

/** `pid` is null when the kernel that holds the home has not written its number yet. */
export function homeInUse(home: string, pid: number | null): HomeError {
  const by = pid === null ? 'another kernel' : `the kernel with pid ${pid}`
  return new HomeError('NODE_HOME_IN_USE', `Cannot open home ${home}: ${by} is using it`, {
    hint: 'weaver kernel stop, or set WEAVER_HOME to another folder'
  })
}

export function homeNewer(home: string, found: number, known: number): HomeError {
  const message = `Cannot open home ${home}: its format is ${found}, this weaver knows up to ${known}`
  return new HomeError('NODE_HOME_NEWER', message, { hint: 'install the newer weaver again' })
}

export function homeForeign(home: string, what: string): HomeError {
  const message = `Cannot use ${home} as a home: it holds ${what}, which is none of weaver's`
  return new HomeError('NODE_HOME_FOREIGN', message, {
    hint: 'set WEAVER_HOME to an empty folder, or to one that does not exist yet'
  })
}

export function homeDamaged(home: string, what: string, cause?: unknown): HomeError {
  return new HomeError('NODE_HOME_DAMAGED', `Cannot open home ${home}: ${what}`, {
    hint: 'restore the home from a backup',
    cause
  })
}

/** What a store held is in no other file: tasks, results, membership. */
export function storeDamaged(home: string, what: string, cause?: unknown): HomeError {
  return new HomeError('NODE_HOME_DAMAGED', `Cannot open home ${home}: ${what}`, {
    hint:
      'put store/ and store.head back as they were when this kernel stopped last; where nobody has that: ' +
      'weaver mesh evict NODE on an admin, and a new home here',
    cause
  })
}

export function homePathTooLong(home: string, bytesMax: number): HomeError {
  const message = `Cannot use ${home} as a home: its path must be <= ${bytesMax} bytes for its socket`
  return new HomeError('NODE_HOME_PATH_TOO_LONG', message, {
    hint: 'set WEAVER_HOME to a shorter path'
  })
}

export function keyExposed(path: string, mode: number): HomeError {
  const message = `Cannot use key ${path}: others may read it (mode ${mode.toString(8)})`
  return new HomeError('NODE_KEY_EXPOSED', message, {
    hint: `if nobody else has read it: chmod 600 ${path}`
  })
}

/** The one error for every way in which a disk says no while a home is opened. */
export function homeNotWritable(home: string, cause: unknown): HomeError {
  const text = deepMessage(cause)
  if (/ENOSPC|EDQUOT|No space left|quota exceeded/i.test(text)) {
    return new HomeError('NODE_HOME_FULL', `Cannot write in home ${home}: the disk is full`, {
      hint: 'free some space, or set WEAVER_HOME to another disk',
      cause
    })
  }
  return new HomeError('NODE_HOME_NOT_WRITABLE', `Cannot use home ${home}: ${reason(text)}`, {
    hint: 'set WEAVER_HOME to a folder that you may write in',
    cause
  })
}

function reason(text: string): string {
  if (/EROFS|Read-only file system/i.test(text)) return 'its file system is read-only'
  if (/EACCES|EPERM|Permission denied|not permitted/i.test(text)) return 'permission denied'
  if (/ENOTDIR|EEXIST|Not a directory|File exists/i.test(text)) return 'a file is in the way'
  return text
}

/** An error's words with those of its causes: LevelDB's own are in the cause of what `level` throws. */
export function deepMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${deepMessage(error.cause)}`
}
