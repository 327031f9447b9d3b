import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { readYamlConfig } from '../../collector/inventory/config.ts'
import { SCHEDULE_SECTION } from '../../collector/schedules/define/schema.ts'
import { composeFile, type Service } from './compose-schema.ts'

const DOCKER = new URL('../../deploy/docker/', import.meta.url).pathname
const REPOSITORY = join(DOCKER, '../..')

const read = (file: string): string => readFileSync(join(DOCKER, file), 'utf8')
const compose = (file: string) => composeFile.parse(parse(read(file), { merge: true }))

const base = compose('compose.yaml')
const trial = compose('compose.trial.yaml')
const services = [...Object.entries(base.services), ...Object.entries(trial.services)]

/** The bind mounts of a service as `host path:container path[:ro]`, without named volumes. */
const mounts = ({ volumes = [] }: Service) =>
  volumes
    .map((volume) => volume.replace(/\$\{\w+:-([^}]*)\}/, '$1').split(':'))
    .filter(([source]) => source!.startsWith('.'))
    .map(([source, target, mode]) => ({ source: source!, target: target!, mode }))

describe('compose files', () => {
  test('define all networks, volumes and services that they refer to', () => {
    const known = {
      networks: Object.keys({ ...base.networks, ...trial.networks }),
      volumes: Object.keys(base.volumes!),
    }
    for (const [name, { networks = [], volumes = [], depends_on = {} }] of services) {
      const used = Array.isArray(networks) ? networks : Object.keys(networks)
      expect(
        used.filter((network) => !known.networks.includes(network)),
        name,
      ).toEqual([])
      const named = volumes.map((volume) => volume.split(':')[0]!).filter((source) => /^\w+$/.test(source))
      expect(
        named.filter((volume) => !known.volumes.includes(volume)),
        name,
      ).toEqual([])
      for (const other of Object.keys(depends_on)) expect(Object.keys(base.services)).toContain(other)
    }
  })

  test('mount existing files, read-only', () => {
    const all = services.flatMap(([, service]) => mounts(service))
    expect(all.length).toBeGreaterThanOrEqual(7)
    for (const { source, mode } of all) {
      expect(existsSync(join(DOCKER, source)), source).toBe(true)
      expect(mode, source).toBe('ro')
    }
  })

  test('pin every image, and publish ports on loopback by default', () => {
    for (const [name, { image, ports = [] }] of services) {
      if (image) expect(image, name).toMatch(/^(meshgauge:local|[\w/]+:v?\d+\.\d+\.\d+)$/)
      for (const port of ports) expect(port).toMatch(/^\$\{MESHGAUGE_BIND:-127\.0\.0\.1\}:(\d+):\1$/)
    }
    expect(Object.values(trial.services).flatMap(({ ports = [] }) => ports)).toEqual([])
  })

  test('drop all capabilities that are not needed, and run meshgauge without root', () => {
    for (const [name, { image, cap_drop, cap_add, security_opt }] of services) {
      if (!image) continue
      expect(cap_drop, name).toEqual(['ALL'])
      expect(cap_add, name).toEqual(name.startsWith('agent-') ? ['NET_RAW'] : undefined)
      expect(security_opt !== undefined, name).toBe(!name.startsWith('agent-'))
    }
    expect(read('Dockerfile')).toMatch(/^USER node$/m)
  })

  test('have a health check for every service of a fleet, and no password', () => {
    for (const [name, { healthcheck }] of Object.entries(base.services))
      expect(healthcheck, name).toBeDefined()
    expect(base.services.grafana!.environment!.GF_SECURITY_ADMIN_PASSWORD).toMatch(
      /^\$\{GRAFANA_ADMIN_PASSWORD:\?.+\}$/,
    )
  })

  test('give Grafana the variables of its provisioning', () => {
    const { environment, volumes } = base.services.grafana!
    const provider = parse(
      readFileSync(join(DOCKER, '../grafana/provisioning/dashboards/meshgauge.yaml'), 'utf8'),
    )
    expect(volumes).toContain(`../grafana/dashboards:${provider.providers[0].options.path}:ro`)
    expect(environment!.PROMETHEUS_URL).toBe('http://prometheus:9090')
  })

  test('give agents the addresses of the fleet file, within their networks', () => {
    const { nodes, insecure, schedules, checks } = readYamlConfig(
      'fleet.yaml',
      read('trial/fleet.yaml'),
      SCHEDULE_SECTION,
    )
    const agents = Object.entries(trial.services).filter(([name]) => name.startsWith('agent-'))
    const listening = agents.map(([, { command, networks }]) => {
      const addresses = networks as Record<string, { ipv4_address: string }>
      for (const [name, { ipv4_address }] of Object.entries(addresses)) {
        const { subnet } = trial.networks![name]!.ipam!.config[0]!
        expect(ipv4_address.startsWith(subnet.replace(/0\/24$/, ''))).toBe(true)
      }
      expect(command).toContain(`--listen=${addresses.fabric0!.ipv4_address}:50051`)
      return {
        name: command![1]!.replace('--node=', ''),
        address: `${addresses.fabric0!.ipv4_address}:50051`,
      }
    })
    expect(nodes.map(({ name, address }) => ({ name, address }))).toEqual(listening)
    expect(insecure).toBe(true)
    // The trial measures by schedules only.
    expect(schedules?.map(({ work }) => work?.kind)).toEqual(['mesh', 'run', 'run', 'run'])
    expect(checks.length).toBeGreaterThan(0)
    expect(Object.keys(trial.services).sort()).toEqual(
      ['collector', ...listening.map(({ name }) => name.replace('node', 'agent'))].sort(),
    )
  })

  test('are accepted by docker compose, where it is installed', async ({ skip }) => {
    const version = await execa('docker', ['compose', 'version'], { reject: false })
    if (version.failed) skip('docker compose is not installed')
    const files = ['-f', join(DOCKER, 'compose.yaml'), '-f', join(DOCKER, 'compose.trial.yaml')]
    await execa('docker', ['compose', ...files, 'config', '--quiet'], {
      env: { GRAFANA_ADMIN_PASSWORD: 'x' },
    })
  })
})

describe('the command in the image', () => {
  test('gets only flags that the commands have', async () => {
    for (const [name, { command = [] }] of services.filter(([name]) => /^(collector|agent-1)$/.test(name))) {
      if (command.length === 0) continue
      const [subcommand, ...flags] = command
      const help = await execa(join(REPOSITORY, 'cli/meshgauge'), [subcommand!, '--help'])
      for (const flag of flags) expect(help.stdout, name).toContain(flag.split('=')[0])
    }
  })
})

describe('the configurations', () => {
  test('pass promtool and amtool', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'meshgauge-docker-'))
    try {
      cpSync(join(DOCKER, 'prometheus.yml'), join(folder, 'prometheus.yml'))
      cpSync(join(DOCKER, '../prometheus/rules'), join(folder, 'rules'), { recursive: true })
      const { stdout } = await execa('promtool', ['check', 'config', join(folder, 'prometheus.yml')])
      expect(stdout).toContain('3 rule files found')
      const amtool = await execa('amtool', ['check-config', join(DOCKER, 'alertmanager.yml')])
      expect(amtool.stdout).toContain('SUCCESS')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('start.sh', () => {
  let folder: string
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'meshgauge-start-'))
    cpSync(DOCKER, join(folder, 'docker'), { recursive: true })
    rmSync(join(folder, 'docker/.env'), { force: true })
    await mkdir(join(folder, 'bin'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  /** Installs a fake docker that records its arguments and fails for the given command. */
  const docker = async (failing = 'nothing') => {
    const file = join(folder, 'bin/docker')
    await writeFile(
      file,
      `#!/bin/sh\necho "$*" >>${folder}/calls\ncase "$*" in *"${failing}"*) exit 1 ;; esac\n`,
    )
    await chmod(file, 0o755)
  }
  const start = (args: string[], env: Record<string, string> = {}) =>
    execa('/bin/sh', [join(folder, 'docker/start.sh'), ...args], {
      reject: false,
      extendEnv: false,
      cwd: folder,
      env: { PATH: `${folder}/bin:/usr/bin:/bin`, ...env },
    })
  const dockerCalls = () => readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n')

  test.each([
    ['compose version', 'docker compose is missing; install it: apt-get install docker-compose-plugin'],
    ['info', 'the Docker engine does not answer; start it (systemctl start docker)'],
  ])('when %s fails it prints one line that says what to do', async (failing, line) => {
    await docker(failing)
    const { exitCode, stderr } = await start(['--trial'])
    expect([exitCode, stderr.split('\n').length]).toEqual([3, 1])
    expect(stderr).toContain(line)
  })

  test('without a fleet file it prints where to create one', async () => {
    await docker()
    const { exitCode, stderr } = await start([])
    expect(exitCode).toBe(3)
    expect(stderr).toMatch(/^there is no .*\/fleet\/fleet\.yaml; create it as .*, or use --trial$/)
  })

  test('starts a trial, creates a password file readable only by the owner, and prints all URLs', async () => {
    await docker()
    const { exitCode, stdout } = await start(['--trial'])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/Grafana +http:\/\/127\.0\.0\.1:3000/)
    const up = dockerCalls().at(-1)!
    expect(up).toMatch(
      /compose\.yaml -f \S+compose\.trial\.yaml up --detach --build --wait --wait-timeout 240$/,
    )
    const secret = join(folder, 'docker/.env')
    expect(readFileSync(secret, 'utf8')).toMatch(/^GRAFANA_ADMIN_PASSWORD=[0-9a-f]{24}\n$/)
    expect(statSync(secret).mode & 0o777).toBe(0o600)
    const before = readFileSync(secret, 'utf8')
    await start(['--trial'])
    expect(readFileSync(secret, 'utf8')).toBe(before)
  })

  test('starts a fleet without the trial, with a given password', async () => {
    await docker()
    await writeFile(join(folder, 'fleet.yaml'), 'nodes: []\n')
    const { exitCode, stdout } = await start([], {
      MESHGAUGE_FLEET: folder,
      GRAFANA_ADMIN_PASSWORD: 'own',
      MESHGAUGE_BIND: '192.0.2.7',
    })
    expect(exitCode).toBe(0)
    expect(dockerCalls().at(-1)).not.toContain('trial')
    expect(existsSync(join(folder, 'docker/.env'))).toBe(false)
    expect(stdout).toContain('http://192.0.2.7:9090')
  })

  test('the folder of the fleet is relative to the current directory', async () => {
    const file = join(folder, 'bin/docker')
    await writeFile(file, `#!/bin/sh\necho "$MESHGAUGE_FLEET" >${folder}/calls\n`)
    await chmod(file, 0o755)
    await mkdir(join(folder, 'conf'))
    await writeFile(join(folder, 'conf/fleet.yaml'), 'nodes: []\n')
    const { exitCode } = await start([], { MESHGAUGE_FLEET: 'conf' })
    expect([exitCode, dockerCalls()]).toEqual([0, [join(folder, 'conf')]])
  })

  test('stops the services that it started', async () => {
    await docker()
    expect((await start(['--down'])).exitCode).toBe(0)
    expect(dockerCalls().at(-1)).toMatch(/compose\.trial\.yaml down --remove-orphans$/)
  })

  test('an unhealthy service and an unknown option are failures', async () => {
    await docker('--wait')
    const unhealthy = await start(['--trial'])
    expect([unhealthy.exitCode, unhealthy.stderr]).toEqual([
      3,
      expect.stringContaining('docker compose -p meshgauge logs'),
    ])
    const wrong = await start(['--up'])
    expect([wrong.exitCode, wrong.stderr]).toEqual([2, expect.stringContaining('--up is not an option')])
    expect((await start(['--help'])).stdout).toContain('Usage: deploy/docker/start.sh')
  })
})
