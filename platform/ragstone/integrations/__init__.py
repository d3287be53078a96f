"""Ways into Ragstone for other software: MCP, LangChain, LlamaIndex. Each needs its extra."""
