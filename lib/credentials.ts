import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { ChannelCredentials, ServerCredentials } from '@grpc/grpc-js'

/** Files in PEM form. With them both sides prove who they are (mTLS). */
export type TlsFiles = { ca: string; cert: string; key: string }

/** How the two ends trust each other: certificates, or nothing at all, which must be asked for off loopback. */
export type Security = { tls?: TlsFiles | undefined; insecure?: boolean | undefined }

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))

/** The host of `host:port` or `[v6]:port`. */
export const hostOf = (address: string): string => address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')

/** Why an address may not be served or called in plaintext, or undefined when it may. */
export const plaintextProblem = (address: string, security: Security): string | undefined => {
  if (security.tls || security.insecure || isLoopback(hostOf(address))) return undefined
  return `${address} is not a loopback address: give --tls-ca, --tls-cert and --tls-key, or --insecure for plaintext`
}

const read = ({ ca, cert, key }: TlsFiles) => ({
  ca: readFileSync(ca),
  cert: readFileSync(cert),
  key: readFileSync(key),
})

/** Server side; a caller without a certificate of the same authority is turned away. */
export const serverCredentials = ({ tls }: Security): ServerCredentials => {
  if (!tls) return ServerCredentials.createInsecure()
  const { ca, cert, key } = read(tls)
  return ServerCredentials.createSsl(ca, [{ cert_chain: cert, private_key: key }], true)
}

export const channelCredentials = ({ tls }: Security): ChannelCredentials => {
  if (!tls) return ChannelCredentials.createInsecure()
  const { ca, cert, key } = read(tls)
  return ChannelCredentials.createSsl(ca, key, cert)
}
