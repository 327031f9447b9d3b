import { readFileSync } from 'node:fs'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type IndependentClient, openIndependentClient } from '../testing/independent-client.ts'
import { openMesh } from '../testing/mesh-stream.ts'
import { type ServiceProcess, startAgent, startService } from '../testing/service-process.ts'

const ROOT = new URL('../../', import.meta.url).pathname

let agent: ServiceProcess
let client: IndependentClient
let bundle: string

beforeAll(async () => {
  bundle = (await execa(process.execPath, ['deploy/bundle/agent.main.ts'], { cwd: ROOT })).stdout
  agent = await startService(
    ['agent', '--node', 'n1', '--listen', '127.0.0.1:0', '--interface', 'lo=127.0.0.1'],
    { MESHGAUGE_AGENT_BUNDLE: bundle },
  )
  client = openIndependentClient(agent.port)
})
afterAll(async () => {
  client.close()
  await agent.stop('SIGTERM')
})

const curl = async (method: string, request: object) => {
  const args = ['curl', '--protocol', 'grpc', '--http2-prior-knowledge', '--reflect']
  const url = `http://127.0.0.1:${agent.port}/${method}`
  const { stdout } = await execa('buf', [...args, '-d', JSON.stringify(request), url], {
    preferLocal: true,
    localDir: ROOT,
  })
  return JSON.parse(stdout)
}

test('a bundle is used only when the environment names it', async () => {
  const commandOf = ({ pid }: ServiceProcess) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  expect(commandOf(agent)).toContain(bundle)
  const fromSources = await startAgent()
  expect(commandOf(fromSources)).toContain(`${ROOT}agent/serve.main.ts`)
  await fromSources.stop('SIGTERM')
})

test('a bundle that does not exist is a usage error', async () => {
  const { exitCode, stderr } = await execa(`${ROOT}cli/meshgauge`, ['agent'], {
    reject: false,
    env: { MESHGAUGE_AGENT_BUNDLE: '/nowhere/agent.mjs' },
  })
  expect(exitCode).toBe(2)
  expect(stderr).toContain('MESHGAUGE_AGENT_BUNDLE  /nowhere/agent.mjs does not exist')
})

test('an agent from a bundle supports Describe, checks, reflection and channelz', async () => {
  expect(await curl('meshgauge.agent.v1.AgentService/Describe', {})).toHaveProperty('limits')
  expect((await curl('meshgauge.agent.v1.CheckService/ListChecks', {})).checks.length).toBeGreaterThan(5)
  expect(await curl('grpc.health.v1.Health/Check', {})).toEqual({ status: 'SERVING' })
  expect((await curl('grpc.channelz.v1.Channelz/GetServers', {})).server).toHaveLength(1)
})

test('an agent from a bundle reports violations of a request', async () => {
  await expect(
    client.call('meshgauge.agent.v1.CheckService', 'RunCheck', { check: 'nonsense' }),
  ).rejects.toThrow()
})

test('an agent from a bundle measures', async () => {
  const targets = [{ id: 1, address: '127.0.0.1' }]
  const mesh = openMesh(client, { owner: 'test', window: { seconds: 1 }, groups: [{ targets }] })
  await mesh.until(() => mesh.windowsOf(1).some(({ received }) => received > 0))
  await mesh.end()
})
