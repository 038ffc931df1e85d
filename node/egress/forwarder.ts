// How ordinary programs inside find the way out. They know HTTP_PROXY and ALL_PROXY, which name a TCP port;
// the way out is a Unix socket. Between them stands a small forwarder on the sandbox's own loopback, which
// exists in the sandbox alone. It is Perl, which every Debian has, because it starts in milliseconds and
// takes 8 MB; it listens before the command starts, and ends with the sandbox.

import type { Grant } from '../../core/index.ts'

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

/** Where the forwarder's language lies. */
export const FORWARDER_PROGRAM = '/usr/bin/perl'

// The command keeps its own process; the forwarder is a child of the sandbox's first process, in a session of
// its own, without the command's descriptors. One process for each connection: no state, no table.
const SCRIPT = `use strict; use warnings; use Socket; use POSIX ();
my ($path, $port) = splice(@ARGV, 0, 2);
socket(my $listen, PF_INET, SOCK_STREAM, 0) or die "weaver: no socket: $!\\n";
setsockopt($listen, SOL_SOCKET, SO_REUSEADDR, 1);
bind($listen, sockaddr_in($port, INADDR_LOOPBACK)) or die "weaver: cannot bind: $!\\n";
listen($listen, 128) or die "weaver: cannot listen: $!\\n";
my $child = fork();
die "weaver: cannot fork: $!\\n" unless defined $child;
if ($child) { waitpid($child, 0); close($listen); exec { $ARGV[0] } @ARGV or POSIX::_exit(127); }
exit 0 if fork();
POSIX::setsid();
open(STDIN, '<', '/dev/null'); open(STDOUT, '>', '/dev/null'); open(STDERR, '>', '/dev/null');
POSIX::close($_) for grep { $_ != fileno($listen) } 3 .. 63;
$0 = 'weaver-egress'; $SIG{CHLD} = 'IGNORE'; $SIG{PIPE} = 'IGNORE';
while (1) {
  accept(my $inside, $listen) or next;
  my $worker = fork();
  if (!defined $worker || $worker) { close($inside); next; }
  close($listen);
  my $outside;
  socket($outside, PF_UNIX, SOCK_STREAM, 0) && connect($outside, sockaddr_un($path)) or POSIX::_exit(1);
  my $second = fork();
  POSIX::_exit(1) unless defined $second;
  my ($from, $to) = $second ? ($inside, $outside) : ($outside, $inside);
  while (sysread($from, my $bytes, 262144)) {
    my $at = 0;
    while ($at < length $bytes) { my $n = syswrite($to, $bytes, length($bytes) - $at, $at); POSIX::_exit(1) unless $n; $at += $n; }
  }
  shutdown($to, 1);
  POSIX::_exit(0);
}
`

/** The command with the forwarder started before it. */
export function forwarded(
  socketPath: string,
  command: readonly [string, ...string[]]
): readonly [string, ...string[]] {
  return [FORWARDER_PROGRAM, '-e', SCRIPT, '--', socketPath, String(PROXY_PORT), ...command]
}
