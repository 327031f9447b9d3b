import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { type CheckScript, type FakeAgent, startFakeAgent } from './fake-check-agent.ts'
import { openIndependentClient } from './independent-client.ts'
import { type ServiceProcess, startService } from './service-process.ts'
import { freeTestAddress } from './test-address.ts'

const MESHGAUGE = new URL('../../cli/meshgauge', import.meta.url).pathname

/** Starts a real collector with its Autopilot gateway, and fake agents `node-1` to `node-N`. */
export const startFakeFleet = async (options: {
  nodes: number
  checks: readonly string[]
  script: CheckScript
  /** Additional keys of the collector's config. */
  config?: Record<string, unknown>
}) => {
  const agents = new Map<string, FakeAgent>()
  for (let number = 1; number <= options.nodes; number++) {
    const name = `node-${number}`
    agents.set(name, await startFakeAgent(name, options.checks, options.script))
  }
  const folder = mkdtempSync(join(tmpdir(), 'meshgauge-health-'))
  const gateway = await freeTestAddress('autopilot')
  const config = {
    listen: '127.0.0.1:0',
    http: '127.0.0.1:0',
    store: join(folder, 'meshgauge.db'),
    autopilot: { port: Number(gateway.split(':')[1]) },
    nodes: [...agents].map(([name, { address }]) => ({ name, address, interfaces: ['net0'] })),
    ...options.config,
  }
  const file = join(folder, 'fleet.yaml')
  // JSON is valid YAML.
  writeFileSync(file, JSON.stringify(config))
  const start = () => startService(['collector', '--config', file])
  let collector: ServiceProcess = await start()
  let client = openIndependentClient(collector.port)
  return {
    agents,
    agent: (name: string): FakeAgent => agents.get(name)!,
    gateway: `http://${gateway}`,
    http: () => `127.0.0.1:${collector.httpPort}`,
    client: () => client,
    metrics: async () => (await fetch(`http://127.0.0.1:${collector.httpPort}/metrics`)).text(),
    meshgauge: (...args: string[]) =>
      execa(MESHGAUGE, ['--collector', `127.0.0.1:${collector.port}`, ...args], {
        reject: false,
        stdin: 'ignore',
      }),
    log: () => collector.log(),
    restart: async (signal: NodeJS.Signals) => {
      client.close()
      await collector.stop(signal)
      collector = await start()
      client = openIndependentClient(collector.port)
    },
    close: async () => {
      client.close()
      await collector.stop('SIGTERM')
      for (const agent of agents.values()) await agent.close()
      rmSync(folder, { recursive: true })
    },
  }
}

export type FakeFleet = Awaited<ReturnType<typeof startFakeFleet>>
