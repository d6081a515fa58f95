/** A person's side of a notebook: the contents API and a kernel over WebSocket. */
import { randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';

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

  /** Runs `code` as a cell and resolves with what it printed. */
  runCell(kernel: string, code: string, timeoutMs = 30_000): Promise<string> {
    const session = randomUUID();
    const url = `${this.base.replace(/^http/, 'ws')}api/kernels/${kernel}/channels?session_id=${session}`;
    const socket = new WebSocket(url, { headers: { authorization: `token ${this.token}` } });
    const id = randomUUID();
    return new Promise<string>((resolve, reject) => {
      let printed = '';
      const timer = setTimeout(
        () => reject(new Error(`the cell printed ${JSON.stringify(printed)} and went on`)),
        timeoutMs,
      );
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('the kernel’s connection closed')));
      socket.on('open', () =>
        socket.send(
          JSON.stringify({
            channel: 'shell',
            header: { msg_id: id, msg_type: 'execute_request', session, username: 'test', version: '5.3' },
            parent_header: {},
            metadata: {},
            content: { code, silent: false, store_history: true, allow_stdin: false, stop_on_error: true },
          }),
        ),
      );
      socket.on('message', (data) => {
        const message = JSON.parse(data.toString()) as {
          msg_type: string;
          parent_header: { msg_id?: string };
          content: { text?: string; execution_state?: string; evalue?: string };
        };
        if (message.parent_header.msg_id !== id) return;
        if (message.msg_type === 'stream') printed += message.content.text ?? '';
        if (message.msg_type === 'error') reject(new Error(message.content.evalue));
        if (message.msg_type === 'status' && message.content.execution_state === 'idle') {
          clearTimeout(timer);
          resolve(printed);
        }
      });
    }).finally(() => socket.close());
  }

  /** Opens a terminal, and types `line` and Enter there. The terminal lives on. */
  async typeInTerminal(line: string): Promise<void> {
    const response = await this.request('POST', 'api/terminals');
    if (!response.ok) throw new Error(`opening a terminal: ${response.status} ${await response.text()}`);
    const { name } = (await response.json()) as { name: string };
    const url = `${this.base.replace(/^http/, 'ws')}terminals/websocket/${name}`;
    const socket = new WebSocket(url, { headers: { authorization: `token ${this.token}` } });
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      // The first word of the shell: it reads what is typed from now on.
      socket.on('message', (data) => {
        const [kind] = JSON.parse(data.toString()) as [string];
        if (kind === 'stdout') resolve();
      });
    });
    socket.send(JSON.stringify(['stdin', `${line}\r`]));
    socket.close();
  }
}
