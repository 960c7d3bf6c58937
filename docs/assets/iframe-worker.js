/* Lets the search run where the pages are opened as files: browsers start no worker from file:// addresses.
   A hidden frame takes the place of the worker: it loads the index and the worker's script, and passes messages. */
(function () {
  if (location.protocol !== "file:") return;
  class FrameWorker extends EventTarget {
    constructor(url) {
      super();
      const address = new URL(url, document.baseURI);
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.appendChild(this.frame);
      const view = this.frame.contentWindow;
      view.document.open();
      view.document.write("<html><head></head><body></body></html>");
      view.document.close();
      view.IFrameWorker = FrameWorker; // by this the worker's script knows where it runs
      view.postMessage = (data) =>
        setTimeout(() => this.dispatchEvent(new MessageEvent("message", { data })), 0);
      view.importScripts = (...urls) =>
        urls.reduce(
          (before, each) =>
            before.then(
              () =>
                new Promise((resolve, reject) => {
                  const script = view.document.createElement("script");
                  script.src = new URL(each, address);
                  script.onload = resolve;
                  script.onerror = reject;
                  view.document.body.appendChild(script);
                }),
            ),
          Promise.resolve(),
        );
      this.ready = view.importScripts(address);
    }
    set onmessage(listener) {
      this.addEventListener("message", listener);
    }
    postMessage(data) {
      this.ready.then(() =>
        this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })),
      );
    }
    terminate() {
      this.frame.remove();
    }
  }
  window.Worker = FrameWorker;
  window.IFrameWorker = FrameWorker;
})();
