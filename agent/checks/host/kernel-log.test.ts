import { describe, expect, test } from 'vitest'
import { FAIL, WARN } from '../findings.ts'
import { judgeLog, parseDmesgJson, parseDmesgRaw, parseJournal } from './kernel-log.ts'

const judge = (text: string) => judgeLog([{ ageSeconds: 5, text }])[0]

describe('kernel log', () => {
  test.each([
    [
      "NVRM: Xid (PCI:0000:4b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
      'xid',
      FAIL,
    ],
    [
      'NVRM: Xid (PCI:0000:4b:00): 31, pid=8812, name=python3, Ch 00000008, intr 00000000. MMU Fault',
      'xid',
      WARN,
    ],
    [
      'pcieport 0000:00:01.0: PCIe Bus Error: severity=Corrected, type=Data Link Layer, (Transmitter ID)',
      'pcie_aer',
      WARN,
    ],
    [
      'mlx5_core 0000:3b:00.0: PCIe Bus Error: severity=Uncorrected (Fatal), type=Transaction Layer',
      'pcie_aer',
      FAIL,
    ],
    ['NETDEV WATCHDOG: ens1f0 (ice): transmit queue 12 timed out', 'nic_reset', WARN],
    ['e1000e 0000:00:1f.6 eno1: Detected Hardware Unit Hang: Tx Unit Hang', 'nic_reset', WARN],
    [
      "mlx5_core 0000:3b:00.0: poll_health:819:(pid 0): device's health compromised - reached miss count",
      'nic_firmware',
      FAIL,
    ],
    ['mce: [Hardware Error]: Machine check events logged', 'machine_check', WARN],
    ['EDAC MC0: 1 UE memory read error on CPU_SrcID#0', 'machine_check', FAIL],
    ['Out of memory: Killed process 4121 (python3) total-vm:912kB', 'out_of_memory', WARN],
    ['INFO: task kworker/3:1:221 blocked for more than 120 seconds.', 'stuck', WARN],
    ['I/O error, dev sda, sector 2048 op 0x0:(READ)', 'disk_error', WARN],
    ['EXT4-fs (sdb1): Remounting filesystem read-only', 'disk_error', FAIL],
    ['mlx5_core 0000:3b:00.0 ens1f0np0: Link down', 'link_down', WARN],
  ])('%s', (text, kind, status) => {
    expect(judge(text)).toMatchObject({ subject: kind, value: 1, status })
  })

  test.each([
    'usb 1-1: new high-speed USB device number 2 using xhci_hcd',
    'nvidia-nvlink: Nvlink Core is being initialized, major device number 236',
    'mce: CPU0: Thermal monitoring enabled (TM1)',
  ])('%s is no hardware error', (text) => {
    expect(judge(text)).toBeUndefined()
  })

  test('counts many messages, and removes control characters', () => {
    const entries = Array.from({ length: 5 }, () => ({
      ageSeconds: 1,
      text: 'Out of memory: Killed process 1 (\u001b[31mx)',
    }))
    const [finding] = judgeLog(entries)
    expect(finding!.value).toBe(5)
    expect(finding!.reason).not.toContain('\u001b')
  })
})

test('parses the three formats', () => {
  const json = '{"dmesg":[{"pri":6,"time":   12.5,"msg":"hello"},{"pri":6},null]}'
  expect(parseDmesgJson(json, 20)).toEqual([{ ageSeconds: 7.5, text: 'hello' }])
  expect(parseDmesgJson('{"dmesg":[{"pri":6,"ti', 20)).toBeUndefined()
  expect(parseDmesgRaw('<6>[   12.500000] hello\n continued\n<4>[   13.0] x\n', 20)).toEqual([
    { ageSeconds: 7.5, text: 'hello' },
    { ageSeconds: 7, text: 'x' },
  ])
  expect(parseJournal('1000.500000 n1 kernel: hello\n1000.5 n1 sshd[1]: x\n', 1010)).toEqual([
    { ageSeconds: 9.5, text: 'hello' },
  ])
})
