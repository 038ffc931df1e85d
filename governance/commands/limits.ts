// Every bound of command analysis. Reaching one is a normal outcome: the command counts as not analysable.

/** Characters of one shell text. The parser takes about 3 ms for a kilobyte; two readings of one text are made. */
export const SHELL_TEXT_LENGTH_MAX: number = 32 * 1024
/** Characters of all shell texts of one analysis together, nested ones included. */
export const SHELL_TEXTS_LENGTH_MAX: number = 96 * 1024
/** Characters of one script file that is looked into. */
export const SCRIPT_LENGTH_MAX: number = 32 * 1024
/** Statements of one shell text: reading one takes about 0.1 ms, and the kernel waits. */
export const STATEMENTS_MAX = 2000
/** Steps of one analysis, a statement or a command each: functions that call each other end here. */
export const STEPS_MAX = 4000
/** Shells in shells, substitutions in substitutions, wrappers in wrappers. */
export const DEPTH_MAX = 24
/** Words that one word may become by braces and splitting. */
export const FIELDS_MAX = 1024
/** Characters that one expanded word may have. */
export const FIELD_LENGTH_MAX: number = 128 * 1024
/** Items of each list in the answer. */
export const ITEMS_MAX = 128
/** Characters of one item. */
export const ITEM_LENGTH_MAX = 512
/** Commands listed for the approver, and sentences that say why. */
export const LISTED_COMMANDS_MAX = 256
export const NOTES_MAX = 64
