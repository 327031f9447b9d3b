import type { Channel } from '@grpc/grpc-js'
import {
  ClientError,
  type ClientMiddleware,
  type CompatServiceDefinition,
  createChannel,
  createClientFactory,
  Metadata,
  Status,
} from 'nice-grpc'
import { deadlineMiddleware } from 'nice-grpc-client-middleware-deadline'
import { errorDetailsClientMiddleware } from 'nice-grpc-error-details'
import { type CallObserver, observeCall } from './call-observer.ts'
import { channelCredentials, type Security } from './credentials.ts'
import { traceClientCall } from './rpc-tracing.ts'
import { KEEPALIVE_OPTIONS, MAX_MESSAGE_BYTES } from './serving.ts'

export { HealthDefinition } from 'nice-grpc-server-health'

const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  ...KEEPALIVE_OPTIONS,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 250,
  'grpc.max_reconnect_backoff_ms': 5_000,
  // A transparent retry would repeat a measurement without the caller knowing.
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  // Without this, channels to the same address share a connection and its flow control.
  'grpc.use_local_subchannel_pool': 1,
}

/** One long-lived connection to a server. */
export const openChannel = (address: string, security: Security): Channel =>
  createChannel(address, channelCredentials(security), CHANNEL_OPTIONS)

const counting =
  (calls: CallObserver): ClientMiddleware =>
  (call, options) =>
    observeCall(calls, call.method.path, call.next(call.request, options))

const tracing: ClientMiddleware = (call, options) => {
  const metadata = options.metadata ?? Metadata()
  return traceClientCall(call.method.path, metadata, call.next(call.request, { ...options, metadata }))
}

/** grpc-js reports INTERNAL, which is a bug of the server, where a connection ended in the middle of a call. */
const lostConnection: ClientMiddleware = async function* (call, options) {
  try {
    return yield* call.next(call.request, options)
  } catch (error) {
    if (error instanceof ClientError && error.details.endsWith('(Call ended without gRPC status)'))
      throw new ClientError(error.path, Status.UNAVAILABLE, 'the connection was lost')
    throw error
  }
}

const factory = createClientFactory()
  .use(lostConnection)
  .use(errorDetailsClientMiddleware)
  .use(tracing)
  .use(deadlineMiddleware)

/** Creates a client whose calls have a deadline: `options.deadline` in milliseconds, default 10 s. `calls` observes them. */
export const createServiceClient = <D extends CompatServiceDefinition>(
  definition: D,
  channel: Channel,
  calls?: CallObserver,
) =>
  (calls ? factory.use(counting(calls)) : factory).create(definition, channel, {
    '*': { deadline: 10_000 },
  } as Parameters<typeof factory.create<D>>[2])
