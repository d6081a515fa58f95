/** A person's side of a notebook: the contents API and a kernel over WebSocket. */
import { randomUUID } from 'node:crypto';
import { type RawData, WebSocket } from 'ws';

export class JupyterClient {
  /** `base` is the address with the base path, `http://192.0.2.100:8888/notebook/`. */
  constructor(
    readonly base: string,
    readonly token: string,
  ) {}

  /** The status of a request with the token, or 0 when there is no answer. */
  async probe(path = 'api/contents'): Promise<number> {
    return (await this.request('GET', path).catch(() => undefined))?.status ?? 0;
  }

  async request(method: string, path: string, body?: unknown): Promise<Response> {
    return fetch(this.base + path, {
      method,
      headers: { authorization: `token ${this.token}` },
      signal: AbortSignal.timeout(5000),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async writeFile(path: string, content: string): Promise<void> {
    const response = await this.request('PUT', `api/contents/${path}`, {
      type: 'file',
      format: 'text',
      content,
    });
    if (!response.ok) throw new Error(`writing ${path}: ${response.status} ${await response.text()}`);
  }

  async readFile(path: string): Promise<string> {
    const response = await this.request('GET', `api/contents/${path}?content=1`);
    if (!response.ok) throw new Error(`reading ${path}: ${response.status}`);
    return ((await response.json()) as { content: string }).content;
  }

  /** Starts a kernel and resolves with its id. */
  async startKernel(): Promise<string> {
    const response = await this.request('POST', 'api/kernels', { name: 'python3' });
    if (response.status !== 201)
      throw new Error(`starting a kernel: ${response.status} ${await response.text()}`);
    return ((await response.json()) as { id: string }).id;
  }

  /** Runs `code` as a cell, by a connection of its own, and resolves with what it printed. */
  async runCell(kernel: string, code: string, timeoutMs?: number): Promise<string> {
    const connection = this.connect(kernel);
    try {
      return await connection.run(code, timeoutMs);
    } finally {
      connection.close();
    }
  }

  /** Connects to a kernel as the lab does, and stays connected. */
  connect(kernel: string): KernelConnection {
    const session = randomUUID();
    return new KernelConnection(
      this.#socket(`api/kernels/${kernel}/channels?session_id=${session}`),
      session,
    );
  }

  #socket(path: string): WebSocket {
    return new WebSocket(this.base.replace(/^http/, 'ws') + path, {
      headers: { authorization: `token ${this.token}` },
    });
  }

  /** Opens a terminal, and types `line` and Enter there. The terminal lives on. */
  async typeInTerminal(line: string): Promise<void> {
    const terminal = await this.openTerminal();
    terminal.send(JSON.stringify(['stdin', `${line}\r`]));
    terminal.close();
  }

  /** Opens a terminal as the lab does: what comes is a JSON array of a kind and its content. Its shell reads from now on. */
  async openTerminal(): Promise<WebSocket> {
    const response = await this.request('POST', 'api/terminals');
    if (!response.ok) throw new Error(`opening a terminal: ${response.status} ${await response.text()}`);
    const { name } = (await response.json()) as { name: string };
    const socket = this.#socket(`terminals/websocket/${name}`);
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      // The first word of the shell.
      socket.on('message', (data) => {
        const [kind] = JSON.parse(data.toString()) as [string];
        if (kind === 'stdout') resolve();
      });
    });
    return socket;
  }
}

/** How a WebSocket was closed: RFC 6455's code, 1006 where the other end just went, and the other end's words. */
export interface Closure {
  readonly code: number;
  readonly reason: string;
}

/** An open WebSocket to a kernel. */
export class KernelConnection {
  readonly closed: Promise<Closure>;
  readonly #socket: WebSocket;
  readonly #session: string;
  readonly #open: Promise<void>;

  constructor(socket: WebSocket, session: string) {
    this.#socket = socket;
    this.#session = session;
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    this.#open = new Promise((resolve, reject) => {
      socket.on('open', resolve);
      socket.on('error', reject);
    });
    // Told to whoever runs a cell.
    this.#open.catch(() => undefined);
  }

  /** Runs `code` as a cell and resolves with what it printed. */
  async run(code: string, timeoutMs = 30_000): Promise<string> {
    await this.#open;
    const id = randomUUID();
    const session = this.#session;
    return new Promise((resolve, reject) => {
      let printed = '';
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        this.#socket.off('message', hear);
        settle();
      };
      const fail = (message: string): void => end(() => reject(new Error(message)));
      const timer = setTimeout(
        () => fail(`the cell printed ${JSON.stringify(printed)} and went on`),
        timeoutMs,
      );
      const hear = (data: RawData): void => {
        const message = JSON.parse(data.toString()) as {
          msg_type: string;
          parent_header: { msg_id?: string };
          content: { text?: string; execution_state?: string; evalue?: string };
        };
        if (message.parent_header.msg_id !== id) return;
        if (message.msg_type === 'stream') printed += message.content.text ?? '';
        if (message.msg_type === 'error') fail(message.content.evalue ?? '');
        if (message.msg_type === 'status' && message.content.execution_state === 'idle') {
          end(() => resolve(printed));
        }
      };
      this.#socket.on('message', hear);
      void this.closed.then(() => fail('the kernel’s connection closed'));
      this.#socket.send(
        JSON.stringify({
          channel: 'shell',
          header: { msg_id: id, msg_type: 'execute_request', session, username: 'test', version: '5.3' },
          parent_header: {},
          metadata: {},
          content: { code, silent: false, store_history: true, allow_stdin: false, stop_on_error: true },
        }),
      );
    });
  }

  close(): void {
    this.#socket.close();
  }
}
