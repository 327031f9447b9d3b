#!/bin/sh
# Starts collector, Prometheus, Alertmanager and Grafana in containers, and waits until all of them are healthy.
set -eu
here=$(CDPATH='' cd -- "$(dirname "$0")" && pwd)

usage() {
  cat <<'END'
Usage: deploy/docker/start.sh [--trial] [--down] [--help]

Starts the collector of the fleet in deploy/docker/fleet/fleet.yaml (or $MESHGAUGE_FLEET/fleet.yaml) with Prometheus,
Alertmanager and Grafana, waits until they are healthy, and prints where they are.

  --trial   with four agents in containers of their own: nothing to prepare
  --down    stop and remove the containers; what was stored stays in volumes (docker volume ls)
  --help    show this

Environment:
  MESHGAUGE_FLEET         the folder of fleet.yaml and its certificates
  MESHGAUGE_BIND          the address that ports are opened on (default: 127.0.0.1)
  GRAFANA_ADMIN_PASSWORD  Grafana's password of "admin" (default: one is made and kept in deploy/docker/.env)

Exit codes: 0 done, 2 wrong usage, 3 something is missing or did not become healthy
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
  fail 3 'docker has no compose; install it: apt-get install docker-compose-plugin'
docker info >/dev/null 2>&1 ||
  fail 3 'the Docker engine does not answer; start it (systemctl start docker), or join its group: usermod -aG docker $USER'

compose() {
  if $trial; then docker compose --project-directory "$here" -f "$here/compose.yaml" -f "$here/compose.trial.yaml" "$@"
  else docker compose --project-directory "$here" -f "$here/compose.yaml" "$@"
  fi
}

if $down; then
  # Compose wants every variable, also to stop. With the trial's file all containers are known, whoever started them.
  trial=true
  GRAFANA_ADMIN_PASSWORD=${GRAFANA_ADMIN_PASSWORD:-none} compose down --remove-orphans || exit 3
  exit 0
fi

fleet=${MESHGAUGE_FLEET:-$here/fleet}
$trial || [ -f "$fleet/fleet.yaml" ] ||
  fail 3 "there is no $fleet/fleet.yaml; write it as deploy/docker/fleet/README.md shows, or try --trial"
# Compose would look for a relative path elsewhere, or take a bare name for one of its volumes.
$trial || MESHGAUGE_FLEET=$(CDPATH='' cd -- "$fleet" && pwd)
export MESHGAUGE_FLEET

if [ -z "${GRAFANA_ADMIN_PASSWORD:-}" ] && ! grep -qs '^GRAFANA_ADMIN_PASSWORD=' "$here/.env"; then
  password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
  (umask 077 && printf 'GRAFANA_ADMIN_PASSWORD=%s\n' "$password" >>"$here/.env")
  echo "Made a password for Grafana; it is in $here/.env"
fi

if ! compose up --detach --build --wait --wait-timeout 240; then
  compose ps >&2 || true
  fail 3 'not everything became healthy; the reason is in: docker compose -p meshgauge logs'
fi

address=${MESHGAUGE_BIND:-127.0.0.1}
cat <<END
Grafana       http://$address:3000  (admin; password in $here/.env unless you set one)
Prometheus    http://$address:9090
Alertmanager  http://$address:9093
collector     http://$address:9464/metrics, gRPC on $address:50050
Stop it with  deploy/docker/start.sh --down
END
