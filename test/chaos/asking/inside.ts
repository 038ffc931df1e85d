// What a contained process says to its kernel, in tests: Python, which every test machine has, because it lets
// a test write any bytes into a socket.

const HELPERS = `
import array, json, os, socket, sys, time
PATH = os.environ.get('WEAVER_SOCKET', '/run/weaver/kernel.sock')

def connect():
    it = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    it.settimeout(20)
    it.connect(PATH)
    return it

def raw(data, it=None):
    it = it or connect()
    it.sendall(data if isinstance(data, bytes) else data.encode())
    parts = []
    try:
        while True:
            part = it.recv(65536)
            if not part: break
            parts.append(part)
    except OSError as error:
        parts.append(b'[' + type(error).__name__.encode() + b']')
    return b''.join(parts).decode('utf8', 'replace')

def ask(method, path, body=None, headers=()):
    text = '' if body is None else (body if isinstance(body, str) else json.dumps(body))
    head = [f'{method} {path} HTTP/1.1', 'host: weaver', 'connection: close', f'content-length: {len(text.encode())}', *headers]
    answer = raw('\\r\\n'.join(head) + '\\r\\n\\r\\n' + text)
    head, _, rest = answer.partition('\\r\\n\\r\\n')
    if 'transfer-encoding: chunked' in head.lower():
        out = ''
        while rest:
            size, _, rest = rest.partition('\\r\\n')
            n = int(size, 16)
            out, rest = out + rest[:n], rest[n + 2:]
            if n == 0: break
        rest = out
    words = head.split(' ', 2)
    return (int(words[1]) if len(words) > 1 else 0), rest

def told(value):
    print(json.dumps(value), flush=True)
`

/** The words of a command that runs this script with the helpers above. */
export function python(script: string): readonly string[] {
  return ['python3', '-c', `${HELPERS}\n${script}`]
}

/** What the script told, one document a line. */
export function toldIn(stdout: string): readonly unknown[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line): unknown => JSON.parse(line))
}
