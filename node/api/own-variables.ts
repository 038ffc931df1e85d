/** Names, in the kernel's environment, the variables that are for its own process and not for its children. */
export const OWN_VARIABLES = 'WEAVER_OWN_VARIABLES'
