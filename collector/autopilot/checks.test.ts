import { expect, test } from 'vitest'
import { type CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { AUTOPILOT_CHECKS } from './checks.ts'
import { statusOf } from './node-reply.ts'
import { dcgm, gpumem, gpupower, pciebw, ping, remapped, resultOf, skipped } from './testing/results.ts'

const NO_SMI = 'nvidia-smi is not installed: it comes with the NVIDIA driver'

const REQUEST = { level: 1, bw: 4 }

/** Reply and status of each check, byte for byte. Unusual spaces, empty lines and missing newlines are Autopilot's. */
test.each<[string, CheckResult, string, string]>([
  [
    'pciebw, passed',
    pciebw([12.3, 12]),
    '[[ PCIEBW ]] Briefings completed. Continue with PCIe Bandwidth evaluation.\nSUCCESS\nHost  n1\n12.3 12.0\n',
    'OK',
  ],
  [
    'pciebw, low',
    pciebw([12.3, 3.5]),
    '[[ PCIEBW ]] Briefings completed. Continue with PCIe Bandwidth evaluation.\n[[ PCIEBW ]] FAIL\nHost  n1\n12.3 3.5\n',
    'PCIE Failed',
  ],
  [
    'pciebw, no driver',
    skipped('pciebw', NO_SMI),
    '[[ PCIEBW ]] ABORT\n!! nvidia-smi not present. ABORT.\n\n',
    'PCIE Failed',
  ],
  [
    'pciebw, interrupted',
    resultOf(
      'pciebw',
      CheckStatus.CHECK_STATUS_ERROR,
      [['0', 'host_to_device', null, CheckStatus.CHECK_STATUS_ERROR]],
      ['0: was not measured: code=802(cudaErrorSystemNotReady)'],
    ),
    '[[ PCIEBW ]] Briefings completed. Continue with PCIe Bandwidth evaluation.\n[[ PCIEBW ]] ABORT\n' +
      '0: was not measured: code=802(cudaErrorSystemNotReady)\n',
    'PCIE Failed',
  ],
  [
    'remapped, passed',
    remapped([false, false, false]),
    '\n[[ REMAPPED ROWS ]] Briefings completed. Continue with remapped rows evaluation.\n' +
      '[[ REMAPPED ROWS ]] SUCCESS\nHost  n1\nDetected NVIDIA GPU: 0 1 2 Total: 3\n0 0 0\n',
    'OK',
  ],
  [
    'remapped, one GPU failed',
    remapped([false, false, true]),
    '\n[[ REMAPPED ROWS ]] Briefings completed. Continue with remapped rows evaluation.\n' +
      '[[ REMAPPED ROWS ]] FAIL\nHost  n1\nDetected NVIDIA GPU: 0 1 2 Total: 3\nFAIL\n0 0 1\n',
    'REMAPPED ROWS Failed',
  ],
  [
    'remapped, MIG',
    skipped('remapped', 'MIG is enabled on GPU 0: its slices cannot be measured as a GPU'),
    '!! MIG enabled. ABORT.\n\n[[ REMAPPED ROWS ]] ABORT\n!! MIG enabled. ABORT.\n',
    'REMAPPED ROWS Failed',
  ],
  [
    'gpupower, passed',
    gpupower([false, false]),
    '\n[[GPU POWER]] Briefings completed. Continue with power cap evaluation.\n' +
      '[GPU POWER] Detected NVIDIA GPU: 0 1 Total: 2\n[GPU POWER] SUCCESS\n0 0\n',
    'OK',
  ],
  [
    'gpupower, slowed down',
    gpupower([false, true]),
    '\n[[GPU POWER]] Briefings completed. Continue with power cap evaluation.\n' +
      '[GPU POWER] Detected NVIDIA GPU: 0 1 Total: 2\n[GPU POWER] FAIL\n0 1\n',
    'GPU POWER Failed',
  ],
  [
    'gpupower, the driver does not answer',
    resultOf(
      'gpupower',
      CheckStatus.CHECK_STATUS_ERROR,
      [],
      ['the NVIDIA driver does not answer: it is not loaded'],
    ),
    '!! nvidia-smi failed to start. ABORT.\n[[GPU POWER]] ABORT\n',
    'GPU POWER Failed',
  ],
  [
    'gpumem, passed',
    gpumem(true),
    '[[ GPU-MEM ]] Briefings completed. Continue with memory evaluation.\n[[ GPU-MEM ]] Health Check successful\n',
    'OK',
  ],
  [
    'gpumem, failed',
    gpumem(false),
    '[[ GPU-MEM ]] Briefings completed. Continue with memory evaluation.\n' +
      '[[ GPU-MEM ]] Health Check unsuccessful. FAIL.\nGPU 0\n',
    'GPU MEM Test Failed',
  ],
  [
    'gpumem, no driver',
    skipped('gpumem', NO_SMI),
    '[[ GPU-MEM ]] ABORT\n!! nvidia-smi not present. ABORT.\n',
    'GPU MEM Test Failed',
  ],
  [
    'dcgm, passed',
    dcgm(1),
    '\n[[ DCGM ]] Briefings completed. Continue with dcgm evaluation.\n[[ DCGM ]] SUCCESS\n',
    'OK',
  ],
  [
    'dcgm, failed',
    dcgm(3, ['Memory Bandwidth', 'PCIe']),
    '\n[[ DCGM ]] Briefings completed. Continue with dcgm evaluation.\n' +
      'Memory Bandwidth : Fail\nPCIe : Fail\nHost n1\n[[ DCGM ]] FAIL\n',
    'DCGM Failed',
  ],
  [
    'dcgm, no dcgmi',
    skipped('dcgm', 'dcgmi is not installed: install datacenter-gpu-manager'),
    '!! dcgmi failed to start. ABORT.\n\n[[ DCGM ]] ABORT\n!! dcgmi failed to start. ABORT.\n\n',
    'DCGM Failed',
  ],
  [
    'dcgm, busy GPUs',
    skipped('dcgm', 'the GPUs are not idle (force=true runs it anyway)', 'GPU 0 is 98 % busy'),
    '\n[[ DCGM ]] Briefings completed. Continue with dcgm evaluation.\n' +
      '[[ DCGM ]] DCGM process terminated with errors. Other processes might be running on GPUs. ABORT\n' +
      '[[ DCGM ]] GPUs currently utilized:\n the GPUs are not idle (force=true runs it anyway)\n GPU 0 is 98 % busy\n',
    'DCGM Failed',
  ],
  [
    'ping, passed',
    ping({ n2: true, n3: true }),
    '[PING] Pod running ping:  n1\n[PING] Starting: collecting node list\nCreating a list of interfaces and IPs\n' +
      '[PING] Running ping tests for every interface\nNode n2 10.9.0.2 net0 0\nNode n3 10.9.0.3 net0 0\n' +
      '[PING] all nodes reachable. success\n',
    'OK',
  ],
  [
    'ping, one silent',
    ping({ n2: false, n3: true }),
    '[PING] Pod running ping:  n1\n[PING] Starting: collecting node list\nCreating a list of interfaces and IPs\n' +
      '[PING] Running ping tests for every interface\nNode n2 10.9.0.2 net0 1\nNode n3 10.9.0.3 net0 0\n' +
      '[PING] At least one node unreachable. FAIL\n',
    'PING Failed',
  ],
  [
    'ping, no targets',
    skipped('ping', 'no targets were given'),
    '[PING] Pod running ping:  n1\n[PING] Starting: collecting node list\nCreating a list of interfaces and IPs\n' +
      '[PING] No nodes found. ABORT\n',
    'PING Failed',
  ],
  ['pvc, no Kubernetes', skipped('pvc', 'no Kubernetes'), 'Storage class not set. Cannot run. ABORT', 'OK'],
  ['pvc, passed', resultOf('pvc', CheckStatus.CHECK_STATUS_PASS), '[PVC Create-Delete] PVC SUCCESS', 'OK'],
  [
    'pvc, failed',
    resultOf('pvc', CheckStatus.CHECK_STATUS_FAIL),
    '[PVC Create-Delete] FAIL',
    'PVC Create-Delete Test Failed',
  ],
])('reply: %s', (_name, result, text, status) => {
  const check = AUTOPILOT_CHECKS.get(result.check)!
  expect(check.text('n1', result)).toBe(text)
  expect(statusOf(text)).toEqual([status])
})

test.each<[CheckResult, string[]]>([
  [
    pciebw([12.3, 3.5]),
    ['Observation: n1 0 12.3', 'Observation: n1 1 3.5  [[ LOW PCIE -- Below expected threshold of 4 Gb/s ]]'],
  ],
  [remapped([false, true]), ['Observation: n1 0 0', 'Observation: n1 1 1']],
  [gpupower([true]), ['Observation: n1 0 1']],
  [gpumem(false), ['Observation: n1 1']],
  [dcgm(1), ['Observation: n1 Pass 0']],
  [dcgm(1, ['PCIe']), ['Observation: n1 Fail 1']],
  [
    ping({ n2: false, n3: true }),
    ['Observation: n2 10.9.0.2 net0 Unreachable', 'Unreachable nodes count: 1'],
  ],
  [skipped('pciebw', NO_SMI), []],
  [skipped('dcgm', NO_SMI), []],
  [skipped('ping', 'no targets were given'), []],
])('log lines of $check', (result, lines) => {
  expect(AUTOPILOT_CHECKS.get(result.check)!.log('n1', result, REQUEST)).toEqual(lines)
})

test('requests to the agents contain the PCIe threshold, the level and the targets', () => {
  const request = { level: 3, bw: 8, targets: [{ node: 'n2', address: '10.0.0.2', interface: 'net0' }] }
  const of = (name: string) => AUTOPILOT_CHECKS.get(name)!.parameters(request)
  expect(of('pciebw')).toEqual({ threshold: 8 })
  expect(of('dcgm')).toEqual({ level: 3 })
  expect(of('ping')).toEqual({ targets: request.targets })
  expect(AUTOPILOT_CHECKS.get('ping')!.parameters(REQUEST)).toEqual({})
})
