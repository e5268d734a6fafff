// Search in pages opened from the disk, where browsers allow no workers: the worker's script runs in a hidden frame.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(address) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      const inside = frame.contentWindow
      inside.document.open()
      inside.document.close()
      inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
      inside.importScripts = async (...addresses) => {
        for (const one of addresses) await loaded(inside.document, one)
      }
      this.inside = inside
      this.ready = loaded(inside.document, new URL(address, location))
    }

    postMessage(data) {
      this.ready.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data })))
    }
  }
  window.Worker = window.IFrameWorker

  function loaded(page, address) {
    return new Promise((resolve, reject) => {
      const script = page.createElement("script")
      Object.assign(script, { src: address, onload: resolve, onerror: reject })
      page.documentElement.append(script)
    })
  }
}
