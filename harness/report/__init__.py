def render(job, out, scenarios): return "<html></html>"
