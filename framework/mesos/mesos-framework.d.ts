/** The part of mesos-framework 0.5.3, which comes without types, that `calls.ts` uses. */
declare module 'mesos-framework' {
  import type { EventEmitter } from 'node:events';

  interface Id {
    readonly value: string;
  }
  interface SchedulerOptions {
    readonly masterUrl: string;
    readonly port: number;
    readonly frameworkName: string;
  }
  interface RequestTemplate {
    protocol?: string;
    host: string;
    port: number | string;
    path: string;
    method: string;
    headers: Record<string, string>;
    agent?: import('node:http').Agent;
  }
  class Scheduler extends EventEmitter {
    constructor(options: SchedulerOptions);
    frameworkId: string | null;
    mesosStreamId: string | null;
    requestTemplate: RequestTemplate;
    decline(offers: readonly Id[], filters: { readonly refuse_seconds: number }): void;
    revive(): void;
    kill(taskId: string, agentId: string): void;
    acknowledge(update: {
      readonly status: { readonly uuid: string; readonly agent_id: Id; readonly task_id: Id };
    }): void;
    reconcile(taskId?: string, agentId?: string): void;
    teardown(): void;
  }
  const package_: { Scheduler: typeof Scheduler };
  export default package_;
}

declare module 'mesos-framework/lib/helpers.js' {
  const helpers: {
    getLogger(path: string | null, fileName: string | null, level: string | null): unknown;
    doRequest(
      this: import('mesos-framework').default['Scheduler']['prototype'],
      payload: object,
      callback: (error: { message: string } | null, response: unknown) => void,
    ): void;
  };
  export default helpers;
}
