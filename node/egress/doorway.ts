// How ordinary programs inside find the way out. They know HTTP_PROXY and ALL_PROXY, which name a TCP port; the
// sandbox has a loopback of its own, where nobody listens. So the first program inside listens there, hands that
// socket out to the carrier, and becomes the command: nothing of ours stays inside, and no byte is passed on there.

import type { Grant } from '../../core/index.ts'
import { callNumbers } from './carrier-program.ts'

/** Of the sandbox's own loopback: nobody else has this one. */
export const PROXY_PORT = 3128
const HTTP = `http://127.0.0.1:${PROXY_PORT}`
const SOCKS = `socks5h://127.0.0.1:${PROXY_PORT}`

/**
 * The variables for a process with these grants. What it serves to itself on its own loopback is reached
 * without the proxy, unless a grant names that address: then it means the machine outside.
 */
export function proxyVariables(grants: readonly Grant[]): Readonly<Record<string, string>> {
  const named = new Set(grants.map((grant) => (grant.kind === 'net' ? grant.host : '')))
  const own = ['localhost', '127.0.0.1', '::1'].filter((host) => !named.has(host)).join(',')
  return {
    HTTP_PROXY: HTTP,
    http_proxy: HTTP,
    HTTPS_PROXY: HTTP,
    https_proxy: HTTP,
    ALL_PROXY: SOCKS,
    all_proxy: SOCKS,
    NO_PROXY: own,
    no_proxy: own,
    // Node's own fetch looks at the variables only when told to.
    NODE_USE_ENV_PROXY: '1'
  }
}

/** Where the language of both programs lies. */
export const FORWARDER_LANGUAGE = '/usr/bin/perl'

// A socket travels in a control message; Perl has no function for that, but the call itself. The answer says that it
// arrived: only then does the command start, so the command can never be the first to speak.
const PROGRAM = `use strict; use warnings; use Socket; use POSIX ();
my ($path, $port, $sendmsg) = splice(@ARGV, 0, 3);
socket(my $listen, PF_INET, SOCK_STREAM, 0) or die "weaver: no socket: $!\\n";
setsockopt($listen, SOL_SOCKET, SO_REUSEADDR, 1);
bind($listen, sockaddr_in($port, INADDR_LOOPBACK)) or die "weaver: cannot bind: $!\\n";
listen($listen, 128) or die "weaver: cannot listen: $!\\n";
my $door; socket($door, PF_UNIX, SOCK_STREAM, 0) && connect($door, sockaddr_un($path)) or die "weaver: no way out: $!\\n";
my $byte = 'L';
my $place = pack('P Q', $byte, 1);
my $control = pack('Q l l l x4', 20, SOL_SOCKET, 1, fileno $listen);
my $message = pack('Q L x4 P Q P Q l x4', 0, 0, $place, 1, $control, 24, 0);
syscall(0 + $sendmsg, fileno $door, $message, 0) == 1 or die "weaver: the way out was not opened: $!\\n";
sysread($door, my $answer, 1) or die "weaver: the way out was not opened\\n";
close($door); close($listen);
exec { $ARGV[0] } @ARGV or POSIX::_exit(127);
`

/** The command with the listener made before it. */
export function entered(
  socketPath: string,
  command: readonly [string, ...string[]]
): readonly [string, ...string[]] {
  const sendmsg = callNumbers(process.arch)?.sendmsg ?? 0
  const port = String(PROXY_PORT)
  return [FORWARDER_LANGUAGE, '-e', PROGRAM, '--', socketPath, port, String(sendmsg), ...command]
}
