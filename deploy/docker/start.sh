#!/bin/sh
# Starts collector, Prometheus, Alertmanager and Grafana in containers, and waits until all of them are healthy.
set -eu
here=$(CDPATH='' cd -- "$(dirname "$0")" && pwd)

usage() {
  cat <<'END'
Usage: deploy/docker/start.sh [--trial] [--down] [--help]

Starts the collector of the fleet in deploy/docker/fleet/fleet.yaml (or $MESHGAUGE_FLEET/fleet.yaml) with Prometheus,
Alertmanager and Grafana, waits until they are healthy, and prints their addresses.

  --trial   also start four agents in containers and measure them, instead of your fleet
  --down    stop and remove the containers; stored data remains in volumes (docker volume ls)
  --help    show this

Environment:
  MESHGAUGE_FLEET         the folder of fleet.yaml and its certificates
  MESHGAUGE_BIND          the address on which ports are published (default: 127.0.0.1)
  GRAFANA_ADMIN_PASSWORD  Grafana's password of "admin" (default: a new one is stored in deploy/docker/.env)

Exit codes: 0 done, 2 wrong usage, 3 a program is missing or a service is not healthy
END
}
fail() { # exit code, message
  printf '%s\n' "$2" >&2
  exit "$1"
}

trial=false
down=false
for argument in "$@"; do
  case $argument in
    --trial) trial=true ;;
    --down) down=true ;;
    --help | -h) usage && exit 0 ;;
    *) fail 2 "$argument is not an option; see deploy/docker/start.sh --help" ;;
  esac
done

command -v docker >/dev/null || fail 3 'docker is missing; install it: https://docs.docker.com/engine/install'
docker compose version >/dev/null 2>&1 ||
  fail 3 'docker compose is missing; install it: apt-get install docker-compose-plugin'
docker info >/dev/null 2>&1 ||
  fail 3 'the Docker engine does not answer; start it (systemctl start docker), or join its group: usermod -aG docker $USER'

compose() {
  if $trial; then docker compose --project-directory "$here" -f "$here/compose.yaml" -f "$here/compose.trial.yaml" "$@"
  else docker compose --project-directory "$here" -f "$here/compose.yaml" "$@"
  fi
}

if $down; then
  # Compose needs every variable, also to stop. With the trial file it stops the containers of both kinds of start.
  trial=true
  GRAFANA_ADMIN_PASSWORD=${GRAFANA_ADMIN_PASSWORD:-none} compose down --remove-orphans || exit 3
  exit 0
fi

fleet=${MESHGAUGE_FLEET:-$here/fleet}
$trial || [ -f "$fleet/fleet.yaml" ] ||
  fail 3 "there is no $fleet/fleet.yaml; create it as in deploy/docker/fleet/README.md, or use --trial"
# Compose resolves relative paths from its own folder, and takes a name without slash for a volume.
$trial || MESHGAUGE_FLEET=$(CDPATH='' cd -- "$fleet" && pwd)
export MESHGAUGE_FLEET

if [ -z "${GRAFANA_ADMIN_PASSWORD:-}" ] && ! grep -qs '^GRAFANA_ADMIN_PASSWORD=' "$here/.env"; then
  password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
  (umask 077 && printf 'GRAFANA_ADMIN_PASSWORD=%s\n' "$password" >>"$here/.env")
  echo "Created a password for Grafana; it is in $here/.env"
fi

if ! compose up --detach --build --wait --wait-timeout 240; then
  compose ps >&2 || true
  fail 3 'a service is not healthy; for the reason run: docker compose -p meshgauge logs'
fi

address=${MESHGAUGE_BIND:-127.0.0.1}
cat <<END
Grafana       http://$address:3000  (admin; password in $here/.env unless you set one)
Prometheus    http://$address:9090
Alertmanager  http://$address:9093
collector     http://$address:9464/metrics, gRPC on $address:50050
Stop with     deploy/docker/start.sh --down
END
