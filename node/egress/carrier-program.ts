// What carries the bytes of one process: a program of the kernel's own, outside the sandbox. It decides nothing.
// It passes on what clients say first, does what it is told (frames.ts), and moves bytes from one socket to
// another with splice(2), which Node does not have: no byte is copied into a program on its way. It is Perl, which
// every Debian has: it starts in milliseconds and takes 8 MB. It ends when the kernel does.
//
// Invariants
//   C1. A connection out is made only to an address and port that the kernel named.
//   C2. Nothing is read from inside before the kernel asks for more, until it says that the two may talk.
//   C3. A direction takes in nothing new while something of it waits to go out.
//   C4. The listener of a sandbox is taken once: it comes before the sandbox's command starts.

/** Numbers of system calls, which Perl has no names for: `splice`, `sendmsg`, `recvmsg`. */
export interface CallNumbers {
  readonly splice: number
  readonly sendmsg: number
  readonly recvmsg: number
}

const NUMBERS: Readonly<Record<string, CallNumbers>> = {
  x64: { splice: 275, sendmsg: 46, recvmsg: 47 },
  arm64: { splice: 76, sendmsg: 211, recvmsg: 212 }
}

/** Null for machines on which this was never made to run; contained processes do not start there either. */
export function callNumbers(arch: string): CallNumbers | null {
  return NUMBERS[arch] ?? null
}

/** Arguments: the path to listen at, connections at once, bytes of one read, `splice`, `recvmsg`. */
export const CARRIER_PROGRAM = `use strict; use warnings; no warnings 'once'; use Socket qw(:all); use Fcntl; use Errno qw(EAGAIN EINTR EINPROGRESS);
my ($path, $most, $chunk, $splice, $recvmsg) = @ARGV;
$_ += 0 for $most, $chunk, $splice, $recvmsg;
$0 = 'weaver-egress'; $SIG{PIPE} = 'IGNORE'; $SIG{$_} = 'IGNORE' for qw(INT TERM HUP);
umask 0177;
my $door; socket($door, PF_UNIX, SOCK_STREAM, 0) && bind($door, sockaddr_un($path)) && listen($door, 128) or die "$!\\n";
my (%all, @pipes, $listener, $frames);
my ($next, $large) = (1, 8);
$frames = '';
blocking($_, 0) for $door, \\*STDIN;
tell_kernel('R', 0, '');
while (1) {
  my ($reads, $writes) = ('', '');
  vec($reads, 0, 1) = 1;
  if (keys %all < $most) { vec($reads, fileno $_, 1) = 1 for grep { defined } $door, $listener; }
  for my $one (values %all) {
    vec($writes, fileno $one->{out}, 1) = 1 if $one->{dialling};
    for my $way (@{$one->{ways}}) {
      if (length $way->{first} || $way->{held}) { vec($writes, fileno $one->{$way->{to}}, 1) = 1; }
      elsif ($way->{reads}) { vec($reads, fileno $one->{$way->{from}}, 1) = 1; }
    }
  }
  my $ready = select(my $r = $reads, my $w = $writes, undef, undef);
  if ($ready > 0) {
    my @these = values %all;
    for my $one (@these) {
      if ($one->{dialling}) { dialled($one) if vec($w, fileno $one->{out}, 1); next; }
      for my $way (@{$one->{ways}}) {
        my ($from, $to) = @{$one}{$way->{from}, $way->{to}};
        if (defined $to && vec($w, fileno $to, 1)) { push_out($one, $way); }
        elsif (defined $from && $way->{reads} && vec($r, fileno $from, 1)) { take_in($one, $way); }
        last if $one->{gone};
      }
    }
    for my $from (grep { defined && vec($r, fileno $_, 1) } $door, $listener) { welcome($from); }
    # Last: a number of a file that it opens may be one that was looked at above.
    hear() if vec($r, 0, 1);
  }
}

sub blocking { my ($file, $is) = @_; my $flags = fcntl($file, F_GETFL, 0) or return; fcntl($file, F_SETFL, $is ? $flags & ~O_NONBLOCK : $flags | O_NONBLOCK); }
# A frame: verb, number of the connection, length, and so many bytes.
sub tell_kernel { my ($verb, $id, $body) = @_; my $frame = pack('A1 N N', $verb, $id, length $body) . $body; my $at = 0;
  while ($at < length $frame) { my $n = syswrite(STDOUT, $frame, length($frame) - $at, $at); if (!defined $n) { next if $!{EINTR}; exit 0; } $at += $n; } }
sub hear { my $n = sysread(STDIN, $frames, 262144, length $frames);
  if (!defined $n) { return if $!{EAGAIN} || $!{EINTR}; exit 0; } exit 0 if $n == 0;
  while (length $frames >= 9) { my ($verb, $id, $size) = unpack('A1 N N', $frames); last if length $frames < 9 + $size;
    my $body = substr($frames, 9, $size); substr($frames, 0, 9 + $size) = ''; my $one = $all{$id}; obey($one, $verb, $body) if $one; } }
sub obey { my ($one, $verb, $body) = @_; my ($up, $down) = @{$one->{ways}};
  if ($verb eq 'm') { $up->{reads} = !$up->{eof}; }
  elsif ($verb eq 's') { $down->{first} .= $body; push_out($one, $down); }
  elsif ($verb eq 'o') { return unless $one->{out}; $up->{first} .= $body; push_out($one, $up); }
  elsif ($verb eq 'd') { dial($one, split / /, $body); }
  elsif ($verb eq 'r') { $up->{copied} = $body eq 'w'; $_->{reads} = !$_->{eof} for $up, $down; done($one, $up) if $up->{eof} && !$up->{copied}; }
  elsif ($verb eq 'h') { $up->{eof} = 1; $up->{copied} = 0; done($one, $up); }
  elsif ($verb eq 'e') { $up->{ends} = 1; $up->{reads} = !$up->{eof}; $down->{first} .= $body; $down->{eof} = 1; done($one, $up) if $up->{eof}; push_out($one, $down); }
  elsif ($verb eq 'q') { tell_kernel('M', $one->{id}, totals($one)); }
  elsif ($verb eq 'c') { ended($one); } }
sub welcome { my ($from) = @_; for (1 .. 16) { last if keys %all >= $most;
    accept(my $inside, $from) or return; blocking($inside, 0);
    my $is_tcp = $from != $door; setsockopt($inside, IPPROTO_TCP, TCP_NODELAY, 1) if $is_tcp;
    my $one = { id => $next++, in => $inside, sent => 0, received => 0, new => !$is_tcp && !$listener };
    $one->{ways} = [ { from => 'in', to => 'out', count => 'sent', first => '', held => 0 }, { from => 'out', to => 'in', count => 'received', first => '', held => 0 } ];
    $all{$one->{id}} = $one; if ($one->{new}) { $one->{ways}[0]{reads} = 1; } else { tell_kernel('O', $one->{id}, ''); } } }
# C4. The first byte of the sandbox's own first program brings its listener along.
sub first_byte { my ($one) = @_; my ($byte, $control) = ('-', '-' x 64); vec($byte, 0, 8) = 255; vec($control, $_, 8) = 0 for 0 .. 63;
  my $place = pack('P Q', $byte, 1); my $message = pack('Q L x4 P Q P Q l x4', 0, 0, $place, 1, $control, 64, 0);
  my $n = syscall($recvmsg, fileno $one->{in}, $message, 0);
  if ($n < 0) { return if $!{EAGAIN} || $!{EINTR}; return ended($one); } return ended($one) if $n == 0;
  my ($size, $level, $type, $brought) = unpack('Q l l l', $control); my $given;
  if ((unpack('Q L x4 Q Q Q Q', $message))[5] >= 20 && $level == SOL_SOCKET && $type == 1) { open($given, '+<&=', $brought) or return ended($one); }
  $one->{new} = 0; $one->{ways}[0]{reads} = 0; tell_kernel('O', $one->{id}, '') unless $given;
  if (!$given) { tell_kernel('D', $one->{id}, $byte); return; }
  my $is_listening = getsockopt($given, SOL_SOCKET, 30); my $name = getsockname($given);
  my $fits = !$listener && $is_listening && unpack('i', $is_listening) && $name && sockaddr_family($name) == AF_INET;
  if ($fits) { $listener = $given; blocking($listener, 0); syswrite($one->{in}, "\\1"); }
  close_all($one); }
sub dial { my ($one, $family, $address, $port) = @_; return if $one->{out}; my $is6 = $family == 6;
  my $packed = inet_pton($is6 ? AF_INET6 : AF_INET, $address);
  if (!defined $packed || !socket(my $out, $is6 ? PF_INET6 : PF_INET, SOCK_STREAM, 0)) { return tell_kernel('X', $one->{id}, "$!"); }
  else { blocking($out, 0); setsockopt($out, IPPROTO_TCP, TCP_NODELAY, 1); $one->{out} = $out;
    my $ok = connect($out, $is6 ? pack_sockaddr_in6($port, $packed) : pack_sockaddr_in($port, $packed));
    if ($ok) { tell_kernel('C', $one->{id}, ''); } elsif ($!{EINPROGRESS}) { $one->{dialling} = 1; } else { close($out); delete $one->{out}; tell_kernel('X', $one->{id}, "$!"); } } }
sub dialled { my ($one) = @_; $one->{dialling} = 0; my $error = unpack('i', getsockopt($one->{out}, SOL_SOCKET, SO_ERROR));
  if ($error) { close(delete $one->{out}); local $! = $error; tell_kernel('X', $one->{id}, "$!"); } else { tell_kernel('C', $one->{id}, ''); } }
sub take_in { my ($one, $way) = @_; return first_byte($one) if $one->{new};
  if ($way->{from} eq 'out' || ($one->{out} && !$way->{copied})) { return take_pipe($one, $way); }
  my $n = sysread($one->{in}, my $bytes, $chunk);
  if (!defined $n) { return if $!{EAGAIN} || $!{EINTR}; return ended($one); }
  if ($n == 0) { $way->{eof} = 1; $way->{reads} = 0; return done($one, $way) if $way->{ends}; return tell_kernel('E', $one->{id}, ''); }
  return if $way->{ends};
  $way->{reads} = 0; tell_kernel('D', $one->{id}, $bytes); }
sub take_pipe { my ($one, $way) = @_; my $pipe = $way->{pipe} //= pop @pipes // fresh_pipe();
  my $n = syscall($splice, fileno $one->{$way->{from}}, 0, fileno $pipe->[1], 0, 1048576, 3);
  if ($n < 0) { return if $!{EAGAIN} || $!{EINTR}; return ended($one); }
  if ($n == 0) { $way->{eof} = 1; $way->{reads} = 0; return done($one, $way); }
  $way->{held} = $n; count($one, 'received', $n) if $way->{from} eq 'out'; push_out($one, $way); }
# Pages in pipes are counted against the user: most connections never need one for longer than a moment.
sub fresh_pipe { pipe(my $r, my $w) or exit 1; fcntl($w, 1031, 1048576) if $large-- > 0; return [$r, $w]; }
sub push_out { my ($one, $way) = @_; my $to = $one->{$way->{to}};
  if (length $way->{first}) { my $n = syswrite($to, $way->{first}); if (!defined $n) { return if $!{EAGAIN} || $!{EINTR}; return ended($one); }
    substr($way->{first}, 0, $n) = ''; count($one, 'sent', $n) if $way->{to} eq 'out'; return if length $way->{first}; }
  while ($way->{held}) { my $n = syscall($splice, fileno $way->{pipe}[0], 0, fileno $to, 0, $way->{held}, 3);
    if ($n <= 0) { return if $n < 0 && ($!{EAGAIN} || $!{EINTR}); return ended($one); }
    $way->{held} -= $n; count($one, 'sent', $n) if $way->{to} eq 'out'; }
  if ($way->{pipe}) { if (@pipes < 16) { push @pipes, $way->{pipe}; } delete $way->{pipe}; }
  done($one, $way) if $way->{eof}; }
sub count { my ($one, $what, $n) = @_; $one->{$what} += $n; }
# One half has ended: the other side hears of it once all has gone out.
sub done { my ($one, $way) = @_; return if length $way->{first} || $way->{held} || $way->{copied}; my $to = $one->{$way->{to}};
  if (!$way->{over}) { $way->{over} = 1; shutdown($to, 1) if $to; }
  ended($one) if 2 == grep { $_->{over} } @{$one->{ways}}; }
sub totals { my ($one) = @_; return pack('Q> Q>', $one->{sent}, $one->{received}); }
sub close_all { my ($one) = @_; $one->{gone} = 1; delete $all{$one->{id}}; close($one->{in}); close($one->{out}) if $one->{out};
  for my $way (@{$one->{ways}}) { next unless $way->{pipe}; close($_) for @{$way->{pipe}}; delete $way->{pipe}; } }
sub ended { my ($one) = @_; return if $one->{gone}; my $is_known = !$one->{new}; close_all($one); tell_kernel('G', $one->{id}, totals($one)) if $is_known; }
`
