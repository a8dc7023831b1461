// SPDX-License-Identifier: GPL-2.0-or-later
//! A server that is slow with kernels.

use btf_guard_tests::client::ClientRoot;

/// Brings up the root's own loopback and serves a repository there; the
/// kernel's package comes in a trickle, of which `/tmp/trickles` tells.
const SERVER: &str = r#"
use Socket;
socket(my $lo, PF_INET, SOCK_DGRAM, 0);
my $up = pack("Z16sx22", "lo", 1);
ioctl($lo, 0x8914, $up) or die "lo: $!";
socket(my $server, PF_INET, SOCK_STREAM, 0);
setsockopt($server, SOL_SOCKET, SO_REUSEADDR, 1);
bind($server, sockaddr_in(8080, INADDR_LOOPBACK)) && listen($server, 9) or die "8080: $!";
open(my $ready, ">", "/tmp/ready"); close($ready);
$SIG{CHLD} = $SIG{PIPE} = "IGNORE";
while (accept(my $client, $server)) {
    next if fork;
    select($client); $| = 1;
    while (defined(my $line = <$client>)) {
        my ($method, $path) = $line =~ m{^(GET|HEAD) (/\S*)} or next;
        while (<$client>) { last if /^\r?$/ }
        if (open(my $file, "<", "/srv/$ARGV[0]$path")) {
            my $size = -s $file;
            print "HTTP/1.1 200 OK\r\nContent-Length: $size\r\n\r\n";
            next if $method eq "HEAD";
            if ($path =~ /kernel-default/) { open(my $mark, ">", "/tmp/trickles") }
            while (read($file, my $bytes, 4096)) {
                print $bytes;
                select(undef, undef, undef, 0.3) if $path =~ /kernel-default/;
            }
        } else {
            print "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        }
    }
    exit;
}
"#;

/// Where clients look for repositories: dnf, zypper.
const CONFIGURATIONS: [&str; 2] = ["/etc/yum.repos.d", "/etc/zypp/repos.d"];

/// Serves a repository of the root, and tells the clients to ask there.
pub(crate) fn serve(root: &ClientRoot, repository: &str) {
    root.put("/tmp/server.pl", SERVER);
    let start = format!("perl /tmp/server.pl {repository} </dev/null >/tmp/server.log 2>&1 &");
    root.run(["sh", "-c", &start]);
    let wait = "for i in $(seq 100); do test -e /tmp/ready && exit; sleep 0.1; done; cat /tmp/server.log; exit 1";
    let ready = root.run(["sh", "-c", wait]);
    assert!(ready.status.success(), "{ready:?}");
    for configuration in CONFIGURATIONS {
        root.put(
            &format!("{configuration}/{repository}.repo"),
            format!(
                "[{repository}]\nname={repository}\nenabled=1\nbaseurl=http://127.0.0.1:8080/\n\
                 gpgcheck=0\nautorefresh=1\n"
            ),
        );
    }
}
