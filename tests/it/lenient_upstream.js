// Node's HTTP server, as lenient as it can be: what it understood of each request is a line of JSON on standard output, and the answer
// is that line's id, CONNECTION.NUMBER. `lenient_upstream.js PORT`. A connection that it gave up is a line with `error` instead.
'use strict'
const http = require('node:http')

const options = { insecureHTTPParser: true, requireHostHeader: false, maxHeaderSize: 1 << 20, keepAliveTimeout: 0, requestTimeout: 0 }
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n')
const pairs = (flat) => flat.flatMap((name, at) => (at % 2 ? [] : [[name, flat[at + 1]]]))
const seen = (request, content) => {
  const id = `${request.socket.connectionNumber}.${++request.socket.requestNumber}`
  const { method, url: target, httpVersion: version } = request
  say({ id, method, target, version, fields: pairs(request.rawHeaders), content, trailers: pairs(request.rawTrailers) })
  return id
}

const server = http.createServer(options, (request, response) => {
  let content = ''
  request.setEncoding('latin1')
  request.on('data', (data) => (content += data))
  request.on('end', () => {
    const id = seen(request, content)
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': id.length })
    response.end(id)
  })
})
let connections = 0
server.on('connection', (socket) => Object.assign(socket, { connectionNumber: ++connections, requestNumber: 0 }))
server.on('connect', (request, socket) => {
  const id = seen(request, '')
  socket.end(`HTTP/1.1 501 Not Implemented\r\nConnection: close\r\nContent-Length: ${id.length}\r\n\r\n${id}`)
})
server.on('clientError', (error, socket) => {
  // Who gave it up has nothing to hear.
  if (error.code !== 'ECONNRESET' && error.code !== 'HPE_INVALID_EOF_STATE') say({ id: `${socket.connectionNumber}.0`, error: error.code })
  socket.destroy()
})
server.listen(Number(process.argv[2]), '127.0.0.1')
