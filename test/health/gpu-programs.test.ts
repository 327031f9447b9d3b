import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServiceProcess, startService } from '../testing/service-process.ts'
import { freeTestAddress } from '../testing/test-address.ts'

const fixtures = new URL('../../agent/checks/fixtures/', import.meta.url).pathname
const PROGRAMS = ['nvidia-smi', 'dcgmi', 'bandwidthTest', 'gpucheck']

let folder: string
let agent: ServiceProcess
let collector: ServiceProcess
let gateway: string

/** Sets the recording that dcgmi prints from now on, and its exit code. */
const setDcgmiOutput = (recording: string, exit: number) => {
  cpSync(join(fixtures, 'recordings/dcgm', recording), join(folder, 'dcgmi.txt'))
  writeFileSync(join(folder, 'dcgmi.txt.exit'), String(exit))
}

/** A real agent with programs that print recordings of a node of eight A100, and a real collector with its gateway. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-gpu-programs-'))
  cpSync(join(fixtures, 'recordings/a100-8'), folder, { recursive: true })
  for (const program of PROGRAMS) symlinkSync(join(fixtures, 'programs/stand-in'), join(folder, program))
  const programs = PROGRAMS.flatMap((program) => ['--program', `${program}=${join(folder, program)}`])
  const where = ['--node', 'gpu-a', '--listen', '127.0.0.1:0', '--interface', 'lo=127.0.0.1']
  agent = await startService(['agent', ...where, ...programs])
  const address = await freeTestAddress('autopilot')
  gateway = `http://${address}`
  const config = {
    listen: '127.0.0.1:0',
    http: '127.0.0.1:0',
    store: join(folder, 'store.db'),
    autopilot: { port: Number(address.split(':')[1]) },
    nodes: [{ name: 'gpu-a', address: `127.0.0.1:${agent.port}`, interfaces: ['lo'] }],
  }
  writeFileSync(join(folder, 'fleet.yaml'), JSON.stringify(config))
  collector = await startService(['collector', '--config', join(folder, 'fleet.yaml')])
})
afterAll(async () => {
  await collector.stop('SIGTERM')
  await agent.stop('SIGTERM')
  rmSync(folder, { recursive: true })
})

const get = async (path: string) => (await fetch(gateway + path)).text()
const samples = async (health: string) => {
  const text = await (await fetch(`http://127.0.0.1:${collector.httpPort}/metrics`)).text()
  return [...text.matchAll(/^autopilot_health_checks\{health="(.*?)",.*deviceid="(.*?)"\} (.*)$/gm)]
    .filter(([, name]) => name === health)
    .map(([, , device, value]) => `${device} ${value}`)
}

test('GPU checks answer in the words of Autopilot', async () => {
  expect(await get('/pciebw')).toBe(
    'Requesting pcie test with bw: 4\n' +
      '[[ PCIEBW ]] Briefings completed. Continue with PCIe Bandwidth evaluation.\n' +
      '[[ PCIEBW ]] FAIL\nHost  gpu-a\n24.1 24.2 24.1 24.0 3.1 24.2 24.1 24.2\n',
  )
  expect(await get('/remapped')).toContain(
    'Host  gpu-a\nDetected NVIDIA GPU: 0 1 2 3 4 5 6 7 Total: 8\nFAIL\n0 0 0 0 0 0 1 0\n',
  )
  expect(await get('/gpupower')).toContain('[GPU POWER] FAIL\n0 0 1 0 0 0 0 0\n')
  expect(await get('/gpumem')).toContain('[[ GPU-MEM ]] Health Check successful\n')
  expect(await get('/status?check=dcgm')).toContain('[[ DCGM ]] SUCCESS\n\nNode Status: OK\n')
  expect((await samples('pciebw')).slice(3, 6)).toEqual(['3 24', '4 3.1', '5 24.2'])
  expect(await samples('remapped')).toContain('6 1')
  expect(await samples('power-slowdown')).toContain('2 1')
})

test('a failed dcgm lists its failed tests, and a pass at a lower level does not clear it', async () => {
  setDcgmiOutput('3.3-pcie.txt', 226)
  expect(await get('/dcgm?r=2')).toMatch(
    /^DCGM test\n\[\[ DCGM \]\] Briefings completed\. Continue with dcgm evaluation\.\n(.* : Fail\n)*PCIe : Fail\n(.* : Fail\n)*Host gpu-a\n\[\[ DCGM \]\] FAIL\n$/,
  )
  expect(await samples('dcgm')).toEqual([' 1'])
  setDcgmiOutput('3.1-pass.txt', 0)
  expect(await get('/dcgm')).toContain('[[ DCGM ]] SUCCESS\n')
  expect(await samples('dcgm')).toEqual([' 1'])
  await get('/dcgm?r=2')
  expect(await samples('dcgm')).toEqual([' 0'])
})

test('an incomplete diagnostic is reported as ABORT and changes no metric', async () => {
  setDcgmiOutput('4.2-cut.txt', 1)
  expect(await get('/dcgm')).toMatch(
    /\[\[ DCGM \]\] DCGM process terminated with errors\. Other processes might be running on GPUs\. ABORT\n\[\[ DCGM \]\] GPUs currently utilized:\n/,
  )
  expect(await samples('dcgm')).toEqual([' 0'])
})
