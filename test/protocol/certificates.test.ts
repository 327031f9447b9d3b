import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ServiceProcess, startService } from '../testing/service-process.ts'

const MESHGAUGE = new URL('../../cli/meshgauge', import.meta.url).pathname

let folder: string
let agent: ServiceProcess
let collector: ServiceProcess

const openssl = (...args: string[]) => execa('openssl', args, { cwd: folder })

/** Creates a certificate for 127.0.0.1 that is signed by `authority`. */
const issue = async (authority: string, name: string) => {
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=IP:127.0.0.1,DNS:${name}`]
  await openssl(
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.csr`,
    ...subject,
  )
  await openssl(
    'x509',
    '-req',
    '-in',
    `${name}.csr`,
    '-CA',
    `${authority}.pem`,
    '-CAkey',
    `${authority}.key`,
    '-CAcreateserial',
    '-copy_extensions',
    'copy',
    '-days',
    '2',
    '-out',
    `${name}.pem`,
  )
}
const createAuthority = async (authority: string) =>
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    `${authority}.key`,
    '-out',
    `${authority}.pem`,
    '-days',
    '2',
    '-subj',
    `/CN=${authority}`,
  )
const tls = (authority: string, name: string) => [
  ...['--tls-ca', join(folder, `${authority}.pem`)],
  ...['--tls-cert', join(folder, `${name}.pem`), '--tls-key', join(folder, `${name}.key`)],
]

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-tls-'))
  await Promise.all([createAuthority('ours'), createAuthority('theirs')])
  for (const name of ['agent', 'collector', 'operator']) await issue('ours', name)
  await issue('theirs', 'stranger')
  agent = await startService([
    'agent',
    '--node',
    'n1',
    '--listen',
    '127.0.0.1:0',
    '--interface',
    'lo=127.0.0.1',
    ...tls('ours', 'agent'),
  ])
  writeFileSync(join(folder, 'fleet.yaml'), `nodes:\n  - { name: n1, address: "127.0.0.1:${agent.port}" }\n`)
  const places = ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', '--store', join(folder, 'store.db')]
  collector = await startService([
    'collector',
    '--config',
    join(folder, 'fleet.yaml'),
    ...places,
    ...tls('ours', 'collector'),
  ])
})
afterAll(async () => {
  await Promise.all([collector.stop('SIGTERM'), agent.stop('SIGTERM')])
  rmSync(folder, { recursive: true })
})

const nodes = (...args: string[]) =>
  execa(MESHGAUGE, ['nodes', '--json', '--collector', `127.0.0.1:${collector.port}`, ...args], {
    reject: false,
  })

describe('certificates', () => {
  test('CLI, collector and agent with certificates of one authority trust each other', async () => {
    const { exitCode, stdout } = await nodes(...tls('ours', 'operator'))
    expect(exitCode).toBe(0)
    expect(stdout).toContain('"ready"')
  })

  test('a client with a certificate of another authority and one without are refused', async () => {
    const strangers = await Promise.all([nodes(...tls('theirs', 'stranger')), nodes()])
    for (const { exitCode, stdout } of strangers) {
      expect(exitCode).toBe(3)
      expect(stdout).not.toContain('n1')
    }
  })

  test('plaintext on an address other than loopback needs --insecure', async () => {
    const refused = await execa(MESHGAUGE, ['agent', '--listen', '0.0.0.0:0'], { reject: false })
    expect(refused.exitCode).toBe(2)
    expect(refused.stderr).toMatch(/not a loopback address.*--insecure/s)
  })

  test('only the owner can read the store', () => {
    expect(statSync(join(folder, 'store.db')).mode & 0o077).toBe(0)
  })
})
