# Gives a listening TCP port of another process a longer queue of connections to be accepted:
#
#   perl deepen-accept-queue.pl PID PORT DEPTH
#
# By listen(2) on a copy of its socket, which it keeps: nothing else of the process is touched. Linux
# 5.6 or newer, and whoever may trace the process (its user, or root). Perl's own core and no module.
use strict;
use warnings;

my ($pid, $port, $depth) = map { 0 + $_ } @ARGV;
# System calls since 2019 have the same number on every architecture.
my ($PIDFD_OPEN, $PIDFD_GETFD) = (434, 438);

my %listening;
for my $table ("/proc/$pid/net/tcp", "/proc/$pid/net/tcp6") {
  open my $lines, '<', $table or next;
  while (<$lines>) {
    my @field = split;
    $listening{"socket:[$field[9]]"} = 1 if $field[1] =~ /:([0-9A-F]{4})$/ && hex $1 == $port && $field[3] eq '0A';
  }
}
my ($fd) = map { m{(\d+)$} } grep { $listening{readlink($_) // ''} } glob "/proc/$pid/fd/*";
die "process $pid does not listen on port $port, or may not be looked at\n" unless defined $fd;

my $process = syscall $PIDFD_OPEN, $pid, 0;
die "pidfd_open: $!\n" if $process < 0;
my $copy = syscall $PIDFD_GETFD, $process, 0 + $fd, 0;
die "pidfd_getfd: $!\n" if $copy < 0;
open my $socket, '+<&=', $copy or die "socket $copy: $!\n";
listen $socket, $depth or die "listen: $!\n";
